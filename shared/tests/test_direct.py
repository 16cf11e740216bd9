"""A read that is answered directly is answered as FastAPI would have answered it."""

import asyncio
import traceback
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import pytest
import pytest_asyncio
from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from starlette.middleware import Middleware

from shared.exceptions import NotFound
from shared.fields import PathId
from shared.pagination import PageQuery
from shared.plan import plan_of
from shared.testing import LiveApp, served
from shared.testing.waiting import becomes
from shared.wire import Protocol

CALLS: list[str] = []
BEGUN, GO_ON = asyncio.Event(), asyncio.Event()


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


@router.get("/{ring_id}/stack")
async def stack() -> str:
    """The module that called the module of the plan."""
    modules = [frame.f_globals["__name__"] for frame, _ in traceback.walk_stack(None)]
    return next(name for name in modules if name in {"shared.direct", "starlette.middleware.errors"})


@router.get("/{ring_id}/slow")
async def slow(ring_id: PathId) -> Ring:
    BEGUN.set()
    await GO_ON.wait()
    CALLS.append("ended")
    return Ring(id=ring_id)


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


@pytest_asyncio.fixture(loop_scope="session")
async def both(make_app: Callable[..., FastAPI]) -> AsyncIterator[list[LiveApp]]:
    """With and without direct answers."""
    async with served(make_app(router)) as direct, served(make_app(router), protocol=Protocol) as plain:
        yield [direct, plain]


async def answers(
    live: LiveApp, path: str, method: str = "GET", **options: Any
) -> tuple[int, Any, bytes, list[str]]:
    """Status, header fields, body, and what was called; without what differs from request to request."""
    CALLS.clear()
    answer = await live.client.request(method, path, **options)
    assert answer.headers["x-request-id"]
    assert float(answer.headers["x-process-time"]) >= 0
    ignored = {"x-request-id", "x-process-time", "date"}
    fields = sorted((name, value) for name, value in answer.headers.multi_items() if name not in ignored)
    body = answer.content
    for changing in ("request_id", "duration_ms"):
        body = body.partition(f'"{changing}"'.encode())[0]
    return answer.status_code, fields if body == answer.content else [], body, list(CALLS)


@pytest.mark.parametrize("path", PATHS)
async def test_answers_and_calls_are_fastapis(both: list[LiveApp], path: str) -> None:
    direct, plain = both
    for method in ("GET", "HEAD", "POST"):
        assert await answers(direct, path, method) == await answers(plain, path, method)
    for headers in ({"x-name": "mallory"}, {"connection": "close"}, {"x-request-id": "a b"}):
        assert await answers(direct, path, headers=headers) == await answers(plain, path, headers=headers)
    body = {"content": b"not wanted"}
    assert await answers(direct, path, **body) == await answers(plain, path, **body)


async def test_a_read_is_answered_without_the_application(both: list[LiveApp]) -> None:
    direct, plain = both
    assert (await direct.client.get("/rings/7/stack")).json() == "shared.direct"
    assert (await plain.client.get("/rings/7/stack")).json() == "starlette.middleware.errors"


async def test_middleware_that_must_see_every_request_sees_reads_too(
    make_app: Callable[..., FastAPI],
) -> None:
    seen: list[str] = []

    class Seeing:
        def __init__(self, app: Any) -> None:
            self._app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            seen.append(scope["type"])
            await self._app(scope, receive, send)

    added_later = make_app(router)
    added_later.add_middleware(Seeing)
    for app in (added_later, make_app(router, inner=[Middleware(Seeing)])):
        seen.clear()
        async with served(app) as live:
            await live.client.get("/rings/7")
        assert "http" in seen


async def test_ids_go_on_and_the_log_has_them(both: list[LiveApp], log_lines: Any) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    given = {"x-request-id": "mine-1", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    for live in both:
        answer = await live.client.get("/rings/7?secret=1", headers=given)
        assert answer.headers["x-request-id"] == "mine-1"
    lines = [line for line in log_lines() if line["event"] == "request"]
    for line in lines:
        assert line.pop("duration_ms") > 0
        assert line.pop("timestamp")
    assert lines[0] == lines[1]
    assert (
        lines[0].items()
        >= {"path": "/rings/7", "status": 200, "request_id": "mine-1", "trace_id": trace}.items()
    )


async def test_a_read_whose_caller_leaves_ends_and_is_counted_once(
    both: list[LiveApp], log_lines: Any
) -> None:
    """And nothing is written to whoever comes after it."""
    direct, _ = both
    CALLS.clear()
    BEGUN.clear()
    GO_ON.clear()
    _, writer = await asyncio.open_connection("127.0.0.1", direct.port)
    writer.write(b"GET /rings/7/slow HTTP/1.1\r\nHost: x\r\n\r\n")
    await BEGUN.wait()
    writer.close()
    await writer.wait_closed()
    await becomes(lambda: [line["status"] for line in log_lines() if line["event"] == "request"], ["aborted"])
    GO_ON.set()
    await becomes(lambda: "ended" in CALLS)
    assert (await direct.client.get("/rings/8")).json()["id"] == 8
    assert [line["status"] for line in log_lines() if line["event"] == "request"] == ["aborted", 200]


async def test_pipelined_reads_are_answered_in_their_order(both: list[LiveApp], talk: Any) -> None:
    direct, _ = both
    GO_ON.set()
    requests = [b"GET /rings/7/slow", b"GET /rings/8", b"POST /rings/9", b"GET /rings/10"]
    sent = b"".join([one + b" HTTP/1.1\r\nHost: x\r\n\r\n" for one in requests])
    received = await talk(direct.port, sent, until=b'"id":10')
    places = [received.index(mark) for mark in (b'"id":7', b'"id":8', b" 405 ", b'"id":10')]
    assert places == sorted(places)


def test_usual_reads_have_a_plan_and_unusual_ones_have_none() -> None:
    planned = {route.endpoint.__name__ for route in router.routes if plan_of(route)}  # type: ignore[attr-defined]
    usual = {"none_yet", "read", "after_a_template", "hidden", "search", "strict", "raw", "broken", "lines"}
    usual |= {"stack", "slow"}
    assert planned == usual


def test_a_class_of_routes_with_its_own_handler_keeps_it() -> None:
    class Guarded(APIRoute):
        pass

    assert plan_of(APIRoute("/rings", none_yet)) is not None
    assert plan_of(Guarded("/rings", none_yet)) is None


async def test_a_dependency_is_called_once(both: list[LiveApp]) -> None:
    *_, calls = await answers(both[0], "/rings/7")
    assert calls == ["who", "allowed", "read"]
