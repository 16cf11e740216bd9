"""One line a request, without what should not be kept."""

import asyncio
import json
import select
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from fastapi import APIRouter
from starlette.middleware import Middleware

from shared.access_log import GatheredLines, gathers, log_request
from shared.context import CURRENT, RequestContext
from shared.gathering import GATHERING
from shared.log_output import OUTPUT
from shared.logging import configure_logging
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


async def test_gathered_lines_are_those_that_structlog_writes(
    sample_settings: Callable[..., Any], log_lines: Lines
) -> None:
    configure_logging(sample_settings(log_format="json"))
    gathered = GatheredLines()
    gathered.configure("sample")
    token = CURRENT.set(RequestContext.start())
    log_request("GET", '/caf\u00e9 "\\\n', 0, 0.0123456, None)
    with GATHERING.on(asyncio.get_running_loop()):
        assert gathered.add(CURRENT.get(), "GET", '/caf\u00e9 "\\\n', 0, 0.0123456, None)
    CURRENT.reset(token)
    one, other = log_lines()
    assert one.keys() == other.keys()
    assert datetime.fromisoformat(one.pop("timestamp")) <= datetime.fromisoformat(other.pop("timestamp"))
    assert one == other


async def test_lines_are_gathered_only_while_a_worker_runs_and_all_written_at_its_end(
    log_lines: Lines,
) -> None:
    gathered = GatheredLines()
    gathered.configure("sample")
    assert not gathered.add(None, "GET", "/", 200, 0.1, None), "nobody would write it"
    with GATHERING.on(asyncio.get_running_loop()):
        gathered.add(None, "GET", "/ring/52", 200, 0.1, "127.0.0.1")
        assert not log_lines()
    (line,) = log_lines()
    assert line["path"] == "/ring/52"


async def test_lines_are_written_in_pieces_that_a_pipe_takes_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces: list[bytes] = []
    monkeypatch.setattr(OUTPUT, "write", pieces.append)
    gathered = GatheredLines()
    gathered.configure("sample")
    paths = [*(f"/{number}" + 700 * "a" for number in range(12)), "/" + 9000 * "b", "/c"]
    with GATHERING.on(asyncio.get_running_loop()):
        for path in paths:
            gathered.add(None, "GET", path, 200, 0.1, "127.0.0.1")
        assert len(pieces) == 4, "many are not held back"
        gathered.flush()
    lines = b"".join(pieces).splitlines()
    assert [json.loads(line)["path"] for line in lines] == paths
    assert [piece.count(b"\n") for piece in pieces] == [4, 4, 4, 1, 1]
    assert all(piece.endswith(b"\n") for piece in pieces)
    assert [len(piece) <= select.PIPE_BUF for piece in pieces] == [True, True, True, False, True]


def test_what_is_no_json_or_below_the_level_is_not_gathered(sample_settings: Callable[..., Any]) -> None:
    assert gathers(sample_settings(log_format="json"))
    assert not gathers(sample_settings(log_format="console"))
    assert not gathers(sample_settings(log_format="json", log_level="warning"))
