"""A read that is answered directly is answered as FastAPI would have answered it."""

from collections.abc import Callable
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field

from shared.exceptions import NotFound
from shared.fields import PathId
from shared.pagination import PageQuery
from shared.plan import plan_of

CALLS: list[str] = []


class Ring(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: int
    name: str = "ü"
    size: float | None = None


class Filter(BaseModel):
    size: Annotated[float, Field(gt=0)] | None = None
    name: str | None = None


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")
    size: int = 3


async def who(request: Request) -> str:
    CALLS.append("who")
    return request.headers.get("x-name", "nobody")


async def allowed(name: Annotated[str, Depends(who)]) -> None:
    CALLS.append("allowed")
    if name == "mallory":
        raise NotFound("not for you")


async def limit(most: Annotated[int, Query(ge=1, le=9)] = 3) -> int:
    return most


router = APIRouter(prefix="/rings", dependencies=[Depends(allowed)])
Who = Annotated[str, Depends(who)]


@router.get("/none")
async def none_yet() -> Ring:
    return Ring(id=0, name="literal before template")


@router.get("/tags")
async def tags(tag: Annotated[list[str], Query()]) -> list[str]:
    return tag


@router.get("/{ring_id}")
async def read(ring_id: PathId, name: Who) -> Ring:
    CALLS.append("read")
    return Ring(id=ring_id, name=name)


@router.get("/{ring_id}/literal")
async def after_a_template(ring_id: str, response: Response) -> Ring:
    response.headers["X-Ring"] = ring_id
    response.status_code = 203
    return Ring(id=1)


@router.get("/hidden-by-the-template")
async def hidden() -> Ring:
    return Ring(id=-1)


@router.get("")
async def search(
    query: Annotated[Filter, Query()], most: Annotated[int, Depends(limit)], page: PageQuery
) -> list[Ring]:
    return [Ring(id=page.skip + number, name=query.name or "-", size=query.size) for number in range(most)]


@router.get("/{ring_id}/strict")
async def strict(query: Annotated[Strict, Query()]) -> Ring:
    return Ring(id=query.size)


@router.get("/{ring_id}/raw")
async def raw(ring_id: str) -> Ring | None:
    return Response(ring_id, 418, {"X-Raw": "1"})  # type: ignore[return-value]  # as routes may


@router.get("/{ring_id}/broken")
async def broken() -> Ring:
    return {"id": "hush"}  # type: ignore[return-value]  # our own mistake


@router.get("/{ring_id}/list")
async def listed(tag: Annotated[list[str], Query()], x_name: Annotated[str, Header()] = "-") -> list[str]:
    return [*tag, x_name]


@router.get("/{ring_id}/lines")
async def lines(x_name: Annotated[list[str] | None, Header()] = None) -> list[str]:
    return x_name or ["none"]


PATHS = [
    "/rings/7",
    "/rings/none",
    "/rings/0",
    "/rings/x",
    "/rings/7?a=b",
    "/rings/9223372036854775808",
    "/rings/%37",
    "/rings/7/literal",
    "/rings/hidden-by-the-template",
    "/rings",
    "/rings?size=1.5&name=%C3%BC&skip=2",
    "/rings?size=-1",
    "/rings?size=x&most=0",
    "/rings?most=2&most=4",
    "/rings?limit=101",
    "/rings?size=",
    "/rings?name=",
    "/rings/1/strict?size=4",
    "/rings/1/strict?other=1",
    "/rings/1/raw",
    "/rings/1/broken",
    "/rings/1/list?tag=a&tag=b",
    "/rings/1/list",
    "/rings/1/lines",
    "/rings/",
    "/rings//",
    "/rings/tags?tag=a&tag=b",
    "/rings/tags",
    "/nothing",
    "/health",
    "/ready",
]


@pytest.fixture
def both(make_app: Callable[..., FastAPI]) -> list[FastAPI]:
    """With and without direct answers."""
    direct, plain = make_app(router), make_app(router)
    plain.user_middleware = [one for one in plain.user_middleware if one.cls.__name__ != "DirectMiddleware"]
    return [direct, plain]


async def answers(app: FastAPI, path: str, method: str = "GET", **headers: str) -> tuple[Any, list[str]]:
    CALLS.clear()
    transport = httpx2.ASGITransport(app)
    async with (
        app.router.lifespan_context(app) as state,
        httpx2.AsyncClient(transport=_with_state(transport, state), base_url="http://test") as client,
    ):
        answer = await client.request(method, path, headers=headers)
    ignored = {"x-request-id", "x-process-time"}
    fields = sorted((name, value) for name, value in answer.headers.multi_items() if name not in ignored)
    body = answer.content
    for changing in ("request_id", "duration_ms"):
        body = body.partition(f'"{changing}"'.encode())[0]
    return (answer.status_code, fields if body == answer.content else [], body), list(CALLS)


def _with_state(transport: Any, state: Any) -> Any:
    app = transport.app

    async def with_state(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "state": dict(state)}, receive, send)

    transport.app = with_state
    return transport


@pytest.mark.parametrize("path", PATHS)
async def test_answers_and_calls_are_fastapis(both: list[FastAPI], path: str) -> None:
    direct, plain = both
    for method in ("GET", "HEAD", "POST"):
        assert await answers(direct, path, method) == await answers(plain, path, method)
    assert await answers(direct, path, x_name="mallory") == await answers(plain, path, x_name="mallory")
    mallory = {"x-name": "mallory"}
    assert await answers(direct, path, **mallory) == await answers(plain, path, **mallory)


def test_usual_reads_have_a_plan_and_unusual_ones_have_none() -> None:
    planned = {route.endpoint.__name__ for route in router.routes if plan_of(route)}  # type: ignore[attr-defined]
    usual = {"none_yet", "read", "after_a_template", "hidden", "search", "strict", "raw", "broken", "lines"}
    assert planned == usual


def test_a_class_of_routes_with_its_own_handler_keeps_it() -> None:
    class Guarded(APIRoute):
        pass

    assert plan_of(APIRoute("/rings", none_yet)) is not None
    assert plan_of(Guarded("/rings", none_yet)) is None


async def test_a_dependency_is_called_once(both: list[FastAPI]) -> None:
    _, calls = await answers(both[0], "/rings/7")
    assert calls == ["who", "allowed", "read"]
