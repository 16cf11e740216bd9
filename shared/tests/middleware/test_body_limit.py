"""A body that is too large is refused, announced or not, and whoever sends it hears so."""

import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import pytest
from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from shared.app import build_app
from shared.testing import served

LIMIT = 1000
BIG = 3_000_000  # more than the sockets' buffers hold
router = APIRouter()


@router.api_route("/size", methods=["GET", "POST"])
async def measure(request: Request) -> int:
    return len(await request.body())


@router.post("/note")
async def read_note(note: dict[str, Any]) -> dict[str, Any]:
    return note


class Eager(Response):
    """Begins to answer before it reads."""

    async def __call__(self, _: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        while (await receive())["more_body"]:
            pass
        await send({"type": "http.response.body", "body": b"whole"})


@router.post("/eager")
async def answer_first() -> Response:
    return Eager()


@router.post("/echo")
async def answer_piece_by_piece(request: Request) -> StreamingResponse:
    return StreamingResponse(request.stream())


@pytest.fixture
def app(make_app: Callable[..., Any], sample_settings: Callable[..., Any]) -> Any:
    return make_app(router, settings=sample_settings(body_limit=LIMIT))


async def chunks(size: int, each: int = 100) -> AsyncIterator[bytes]:
    for _ in range(size // each):
        yield b"x" * each


def head(*lines: str, method: str = "POST", version: str = "1.1") -> bytes:
    return "\r\n".join([f"{method} /size HTTP/{version}", "Host: x", *lines, "", ""]).encode()


async def test_exactly_the_limit_passes(app: Any) -> None:
    async with served(app) as live:
        assert (await live.client.post("/size", content=b"x" * LIMIT)).json() == LIMIT
        assert (await live.client.post("/size", content=chunks(LIMIT))).json() == LIMIT


async def test_one_byte_more_is_413(app: Any) -> None:
    async with served(app) as live:
        announced = await live.client.post("/size", content=b"x" * (LIMIT + 1))
        streamed = await live.client.post("/size", content=chunks(LIMIT + 1, each=1))
    for answer in (announced, streamed):
        assert answer.status_code == 413
        assert answer.headers["content-type"] == "application/problem+json"
        assert (answer.json()["code"], answer.json()["limit"]) == ("content_too_large", LIMIT)


async def test_a_request_without_a_body_passes(app: Any) -> None:
    async with served(app) as live:
        assert (await live.client.get("/size")).json() == 0
        assert (await live.client.post("/size")).json() == 0


async def test_what_is_announced_is_refused_before_it_is_sent(app: Any, talk: Callable[..., Any]) -> None:
    async with served(app) as live:
        answer = await talk(live.port, head("Content-Length: 99999999999"), until=b'"limit":')
    assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    ("sent", "version"),
    [
        (head(f"Content-Length: {BIG}", "Connection: close") + b"x" * BIG, "1.1"),
        (head(f"Content-Length: {BIG}", version="1.0") + b"x" * BIG, "1.0"),
        (
            head("Transfer-Encoding: chunked", "Connection: close")
            + b"2710\r\n%b\r\n" % (b"x" * 10_000) * 300
            + b"0\r\n\r\n",
            "1.1",
        ),
    ],
    ids=["announced", "http-1.0", "chunked"],
)
async def test_a_refusal_arrives_whole_while_the_caller_still_sends(
    app: Any, talk: Callable[..., Any], sent: bytes, version: str
) -> None:
    """A socket closed with unread bytes would reset the connection, and the answer would be lost."""
    async with served(app) as live:
        answer = await talk(live.port, sent)
    first, _, body = answer.partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 413 ")
    assert json.loads(body)["code"] == "content_too_large"


async def test_a_caller_that_stays_silent_is_not_waited_for(
    app: Any, talk: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.middleware.body_limit.LINGER", 0.05)
    async with served(app) as live:
        answer = await talk(live.port, head(f"Content-Length: {BIG}", "Connection: close"))
    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_a_connection_that_stays_open_takes_the_next_request(
    app: Any, talk: Callable[..., Any]
) -> None:
    sent = head(f"Content-Length: {BIG}") + b"x" * BIG + head("Connection: close", method="GET")
    async with served(app) as live:
        answer = await talk(live.port, sent)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"HTTP/1.1 200 OK" in answer


async def test_an_answer_that_has_begun_is_cut_off(app: Any, talk: Callable[..., Any]) -> None:
    sent = head("Transfer-Encoding: chunked").replace(b"/size", b"/eager") + b"7d0\r\n%b\r\n" % (b"x" * 2000)
    async with served(app) as live:
        answer = await talk(live.port, sent)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"begun" in answer
    assert b"whole" not in answer
    assert not answer.endswith(b"0\r\n\r\n")


async def test_an_answer_that_streams_but_has_not_begun_is_413(app: Any) -> None:
    async with served(app) as live:
        answer = await live.client.post("/echo", content=chunks(2 * LIMIT, each=2 * LIMIT))
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "length", ["-1", "+5", "0x5", "5 5", "5, 5", "1e3", "", "٥", "9" * 30, "0" * 5000 + "5", "5\x00"]
)
async def test_a_nonsense_length_is_400(app: Any, talk: Callable[..., Any], length: str) -> None:
    async with served(app) as live:
        answer = await talk(live.port, head(f"Content-Length: {length}") + b"12345", until=b'"code"')
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in answer


async def test_a_service_may_limit_bodies_itself(sample_settings: Callable[..., Any]) -> None:
    @contextlib.asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[dict[str, Any]]:
        yield {"checks": []}

    app = build_app(
        sample_settings(body_limit=LIMIT),
        title="Sample",
        lifespan=lifespan,
        routers=[router],
        limit_body=False,
    )
    async with served(app) as live:
        assert (await live.client.post("/size", content=b"x" * 2 * LIMIT)).json() == 2 * LIMIT


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
@pytest.mark.parametrize("kind", ["application/json", "Application/Problem+JSON; charset=utf-16"])
async def test_json_in_another_encoding_is_400(app: Any, encoding: str, kind: str) -> None:
    body = json.dumps({"gem": "ruby"}).encode(encoding)
    headers = {"Content-Type": kind}
    async with served(app) as live:
        whole = await live.client.post("/note", content=body, headers=headers)
        pieces = (bytes((octet,)) for octet in body)
        streamed = await live.client.post("/note", content=aiter_of(pieces), headers=headers)
        for answer in (whole, streamed):
            assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")
        good = await live.client.post("/note", json={"gem": "ünïcode \0"})
        assert good.json() == {"gem": "ünïcode \0"}


async def aiter_of(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def test_other_bodies_may_be_anything(app: Any) -> None:
    async with served(app) as live:
        sent = await live.client.post(
            "/size", content=bytes(LIMIT), headers={"Content-Type": "application/octet-stream"}
        )
    assert sent.json() == LIMIT
