"""What members' tests stand on does what it says."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import jwt
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from shared.database import Database
from shared.settings import DatabaseSettings
from shared.testing import TestIdentity, served


async def test_a_failing_lifespan_raises() -> None:
    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        raise LookupError("no model")
        yield {}

    with pytest.raises(RuntimeError, match="lifespan failed"):
        async with served(FastAPI(lifespan=lifespan)):
            pytest.fail("served all the same")


async def test_it_serves_on_a_real_port_and_stops(make_app: Callable[..., Any]) -> None:
    async with served(make_app()) as live:
        assert live.url == f"http://127.0.0.1:{live.port}"
        assert (await live.client.get("/health")).status_code == 200
        async with httpx2.AsyncClient(trust_env=False) as other:
            assert (await other.get(f"{live.url}/health")).status_code == 200
    with pytest.raises(OSError, match=r"refused|Connect call failed"):
        await asyncio.open_connection("127.0.0.1", live.port)


async def test_an_error_in_the_test_is_the_tests(make_app: Callable[..., Any]) -> None:
    with pytest.raises(LookupError):
        async with served(make_app()):
            raise LookupError


def test_a_token_can_be_changed_claim_by_claim() -> None:
    identity = TestIdentity()
    token = identity.token(7, admin=True, lifetime=60, jti=None, extra="x")
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["sub"], claims["scope"], claims["extra"]) == ("7", "read write admin", "x")
    assert "jti" not in claims
    assert 0 < claims["exp"] - time.time() <= 60


async def test_the_identity_publishes_its_keys(identity: TestIdentity) -> None:
    async with httpx2.AsyncClient(trust_env=False) as client:
        assert (await client.get(identity.jwks_url)).json() == identity.jwks
    assert "d" not in identity.jwks["keys"][0]


async def test_a_database_is_owned_by_a_role_of_its_name(make_database: Callable[..., Any]) -> None:
    database = Database(DatabaseSettings(**make_database("owned")), "test")
    async with database.transaction() as connection:
        answer = (await connection.execute(text("SELECT current_user, current_database()"))).one()
    await database.close()
    assert tuple(answer) == ("owned", "owned")
