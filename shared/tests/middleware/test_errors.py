"""What nobody caught becomes a problem, or cuts the connection where it is too late for one."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest
import redis.exceptions
from fastapi import APIRouter, Request
from starlette.middleware import Middleware
from starlette.responses import StreamingResponse

from shared.exceptions import Unavailable
from shared.testing import served

router = APIRouter()
Lines = Callable[[], list[dict[str, Any]]]


@router.get("/half")
async def answer_half() -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        yield b"half"
        raise LookupError("hush")

    return StreamingResponse(parts())


@router.post("/upload")
async def read_all(request: Request) -> int:
    return sum([len(chunk) async for chunk in request.stream()])


@router.get("/fine")
async def answer_fine() -> str:
    return "fine"


class Raises:
    def __init__(self, app: Any, error: Exception) -> None:
        self._app, self._error = app, error

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            raise self._error
        await self._app(scope, receive, send)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Unavailable("Later."), 503, "unavailable"),
        (redis.exceptions.ConnectionError("hush"), 503, "redis_unavailable"),
        (LookupError("hush"), 500, "internal_error"),
    ],
)
async def test_an_error_of_a_middleware_is_a_problem_like_any_other(
    make_app: Callable[..., Any], error: Exception, status: int, code: str
) -> None:
    async with served(make_app(router, inner=[Middleware(Raises, error=error)])) as live:
        answer = await live.client.get("/fine", headers={"X-Request-ID": "mine"})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.json()["code"], answer.json()["request_id"]) == (code, "mine")
    assert "hush" not in answer.text


async def test_an_error_after_the_answer_began_cuts_the_connection(
    make_app: Callable[..., Any], log_lines: Lines
) -> None:
    async with served(make_app(router)) as live:
        with pytest.raises(httpx2.RemoteProtocolError):
            await live.client.get("/half", headers={"X-Request-ID": "mine"})
        assert (await live.client.get("/fine")).status_code == 200
    (line,) = [line for line in log_lines() if line["event"] == "answer_cut_off"]
    assert (line["request_id"], line["path"]) == ("mine", "/half")


async def test_a_caller_who_leaves_while_sending_is_no_error(
    make_app: Callable[..., Any], log_lines: Lines, eventually: Callable[..., Any]
) -> None:
    async with served(make_app(router)) as live:
        _, writer = await asyncio.open_connection("127.0.0.1", live.port)
        writer.write(b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nonly this")
        await writer.drain()
        writer.close()
        await eventually(lambda: any(line["event"] == "request" for line in log_lines()))
    lines = log_lines()
    assert [line["status"] for line in lines if line["event"] == "request"] == ["aborted"]
    assert {line["level"] for line in lines} == {"info"}
