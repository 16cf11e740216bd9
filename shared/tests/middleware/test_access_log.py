"""One line a request, without what should not be kept."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import APIRouter
from starlette.middleware import Middleware

from shared.testing import served

router = APIRouter()
Lines = Callable[[], list[dict[str, Any]]]


@router.get("/ring/{size}")
async def read_ring(size: int) -> int:
    return size


class Stuck:
    """Never answers, and says when it has begun."""

    def __init__(self, app: Any, begun: asyncio.Event) -> None:
        self._app, self._begun = app, begun

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            self._begun.set()
            await asyncio.Event().wait()
        await self._app(scope, receive, send)


def requests(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in lines if line["event"] == "request"]


async def test_a_request_is_one_line(make_app: Callable[..., Any], log_lines: Lines) -> None:
    async with served(make_app(router)) as live:
        await live.client.get("/ring/52")
    (line,) = requests(log_lines())
    assert (line["method"], line["path"], line["status"]) == ("GET", "/ring/52", 200)
    assert line["client"] == "127.0.0.1"
    assert line["level"] == "info"
    assert line["service"] == "sample"
    assert line["duration_ms"] > 0


@pytest.mark.parametrize(("path", "status"), [("/ring/x", 422), ("/nowhere", 404)])
async def test_an_error_is_one_line_too(
    make_app: Callable[..., Any], log_lines: Lines, path: str, status: int
) -> None:
    async with served(make_app(router)) as live:
        await live.client.get(path)
    assert [line["status"] for line in requests(log_lines())] == [status]


async def test_the_query_string_is_not_kept(make_app: Callable[..., Any], log_lines: Lines) -> None:
    async with served(make_app(router)) as live:
        await live.client.get("/ring/52?token=hush")
        await live.client.get("/nowhere?token=hush")
    lines = log_lines()
    assert len(requests(lines)) == 2
    assert "hush" not in str(lines)


async def test_a_token_is_not_kept_even_when_the_handler_breaks(
    make_app: Callable[..., Any], log_lines: Lines
) -> None:
    broken = APIRouter()

    @broken.post("/broken")
    async def break_down(body: dict[str, str]) -> None:
        password = body["password"]
        raise LookupError(len(password))

    async with served(make_app(broken)) as live:
        answer = await live.client.post(
            "/broken",
            json={"password": "hush-password"},
            headers={"Authorization": "Bearer hush-token", "X-API-Key": "hush-key", "Cookie": "hush=1"},
        )
    assert answer.status_code == 500
    lines = log_lines()
    assert "unexpected_error" in {line["event"] for line in lines}
    assert "hush" not in str(lines)


async def test_health_is_quiet(make_app: Callable[..., Any], log_lines: Lines) -> None:
    async with served(make_app(router)) as live:
        await live.client.get("/health")
        await live.client.get("/ready")
    assert requests(log_lines()) == []


async def test_health_shows_when_debugging(
    make_app: Callable[..., Any], sample_settings: Callable[..., Any], log_lines: Lines
) -> None:
    async with served(make_app(router, settings=sample_settings(log_level="debug"))) as live:
        await live.client.get("/health")
    assert [line["level"] for line in requests(log_lines())] == ["debug"]


async def test_a_request_without_an_answer_is_aborted(make_app: Callable[..., Any], log_lines: Lines) -> None:
    """What uvicorn does to a request that outlasts the graceful timeout."""
    begun = asyncio.Event()
    app = make_app(router, inner=[Middleware(Stuck, begun=begun)])
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/ring/52",
        "headers": [],
        "query_string": b"",
        "server": ("127.0.0.1", 1),
        "client": None,
        "http_version": "1.1",
    }
    task = asyncio.create_task(app(scope, None, None))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (line,) = requests(log_lines())
    assert line["status"] == "aborted"
    assert line["client"] is None


async def test_the_answer_says_how_long_it_took(make_app: Callable[..., Any]) -> None:
    async with served(make_app(router)) as live:
        for path in ("/ring/52", "/nowhere", "/health"):
            (seconds,) = (await live.client.get(path)).headers.get_list("x-process-time")
            assert 0 < float(seconds) < 60
