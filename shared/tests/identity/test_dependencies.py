"""Caller, active caller, administrator: each asks for more than the one before."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from fastapi import APIRouter

from shared.identity import StaticKeys, TokenVerifier
from shared.identity.dependencies import ActiveCaller, AdminCaller, CurrentCaller
from shared.testing import LiveApp, TestIdentity, served

router = APIRouter()
OURS = TestIdentity()
PATHS = ["/caller", "/active", "/admin"]


@router.get("/caller")
async def read_caller(caller: CurrentCaller) -> int:
    return caller.id


@router.get("/active")
async def read_active(caller: ActiveCaller) -> int:
    return caller.id


@router.post("/active")
async def change_active(caller: ActiveCaller) -> int:
    return caller.id


@router.get("/admin")
async def read_admin(caller: AdminCaller) -> int:
    return caller.id


@pytest_asyncio.fixture(loop_scope="session")
async def live(make_app: Callable[..., Any]) -> AsyncIterator[LiveApp]:
    verifier = TokenVerifier(StaticKeys(OURS.jwks), "facet", "facet")
    async with served(make_app(router, verifier=verifier, revocations={"ended"})) as live:
        yield live


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("header", [{}, {"Authorization": ""}, {"Authorization": "Basic eDp5"}])
async def test_nobody_gets_in_without_a_token(live: LiveApp, path: str, header: dict[str, str]) -> None:
    answer = await live.client.get(path, headers=header)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_missing")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("token", ["garbage", ".", "\xe9", OURS.token(5, lifetime=-60)])
async def test_nobody_gets_in_with_a_bad_token(live: LiveApp, path: str, token: str) -> None:
    answer = await live.client.get(path, headers={b"Authorization": f"Bearer {token}".encode("latin-1")})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "token" not in answer.json().get("detail", "")


async def test_a_good_token_gets_in(live: LiveApp) -> None:
    for path in PATHS[:2]:
        assert (await live.client.get(path, headers=OURS.headers(5))).json() == 5


async def test_an_ended_session_is_no_active_caller(live: LiveApp) -> None:
    ended = OURS.headers(5, sid="ended", admin=True)
    assert (await live.client.get("/caller", headers=ended)).status_code == 200
    for path in PATHS[1:]:
        answer = await live.client.get(path, headers=ended)
        assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")


async def test_only_an_administrator_is_one(live: LiveApp) -> None:
    answer = await live.client.get("/admin", headers=OURS.headers(5))
    assert (answer.status_code, answer.json()["code"]) == (403, "admin_only")
    for scope in ("administrator", "ADMIN", "not:admin", "admin,read"):
        answer = await live.client.get("/admin", headers=OURS.headers(5, scope=scope))
        assert answer.status_code == 403
    assert (await live.client.get("/admin", headers=OURS.headers(5, admin=True))).json() == 5


@pytest.mark.parametrize("path", ["/active", "/admin"])
@pytest.mark.parametrize("scope", ["", "write", "write admin", "reads", "READ"])
async def test_a_token_without_the_read_scope_reads_nothing(live: LiveApp, path: str, scope: str) -> None:
    answer = await live.client.get(path, headers=OURS.headers(5, scope=scope))
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
    assert answer.headers["www-authenticate"] == 'Bearer error="insufficient_scope"'


@pytest.mark.parametrize(("scope", "status"), [("read", 403), ("write", 200), ("read write", 200)])
async def test_a_token_that_may_only_read_changes_nothing(live: LiveApp, scope: str, status: int) -> None:
    answer = await live.client.post("/active", headers=OURS.headers(5, scope=scope))
    assert answer.status_code == status
