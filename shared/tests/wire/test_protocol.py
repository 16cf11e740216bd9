"""What the protocol makes of bytes on a raw socket: ours, and httptools' pinned."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from shared.settings import WireSettings
from shared.testing import LiveApp, served

router = APIRouter()
Talk = Callable[..., Any]
LONGEST_HEAD = WireSettings().head_limit


@router.api_route("/echo", methods=["GET", "POST"])
async def echo(request: Request) -> str:
    return (await request.body()).decode("latin-1")


told = asyncio.Event()


@router.get("/tell")
async def tell() -> None:
    told.set()


@router.api_route("/until-told", methods=["GET", "POST"])
async def answer_until_told() -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        yield b"begun"
        await told.wait()
        told.clear()
        yield b"ended"

    return StreamingResponse(parts())


@pytest_asyncio.fixture(loop_scope="session")
async def live(make_app: Callable[..., Any]) -> AsyncIterator[LiveApp]:
    async with served(make_app(router)) as live:
        yield live


def request(*lines: str, method: str = "POST", version: str = "HTTP/1.1", body: str = "") -> bytes:
    head = "\r\n".join([f"{method} /echo {version}", "Host: x", *lines, "", ""])
    return (head + body).encode("latin-1")


def problem(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head.lower()
    assert b"connection: close" in head.lower()
    status = int(head.split(b" ")[1])
    members = json.loads(body)
    assert members["status"] == status
    assert {"type", "title", "instance", "request_id"} <= members.keys()
    assert f"x-request-id: {members['request_id']}".encode() in head
    return status, members["code"]


REFUSED = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01 hello\r\n\r\n",
    "no such method": b"FOO /echo HTTP/1.1\r\nHost: x\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no such version": request(method="GET", version="HTTP/1.9"),
    "bytes beyond ASCII in the path": b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    "a tunnel": b"CONNECT other:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    "bare LF everywhere": b"GET /echo HTTP/1.1\nHost: x\n\n",
    "bare LF after a header": b"GET /echo HTTP/1.1\r\nHost: x\nX-B: c\r\n\r\n",
    "bare CR in a header": b"GET /echo HTTP/1.1\r\nHost: x\rX-B: c\r\n\r\n",
    "NUL in a header": b"GET /echo HTTP/1.1\r\nHost: x\r\nX-A: a\x00b\r\n\r\n",
    "space before the colon": request("Content-Length : 2", body="ab"),
    "space before the first header": b"POST /echo HTTP/1.1\r\n X: y\r\nHost: x\r\n\r\n",
    "folded header": request("X-A: b", " c", "Content-Length: 2", body="ab"),
    "folded transfer coding": request("Transfer-Encoding:", " chunked", body="0\r\n\r\n"),
    "two equal lengths": request("Content-Length: 2", "Content-Length: 2", body="ab"),
    "two lengths": request("Content-Length: 2", "Content-Length: 3", body="abc"),
    "list of lengths": request("Content-Length: 2, 2", body="ab"),
    "length of 5,000 digits": request("Content-Length: " + "0" * 4999 + "2", body="ab"),
    "length beyond 64 bits": request("Content-Length: 99999999999999999999999", body="ab"),
    "TE before CL": request("Transfer-Encoding: chunked", "Content-Length: 2", body="0\r\n\r\n"),
    "CL before TE": request("Content-Length: 2", "Transfer-Encoding: chunked", body="0\r\n\r\n"),
    "TE twice": request("Transfer-Encoding: chunked", "Transfer-Encoding: chunked", body="0\r\n\r\n"),
    "TE not chunked": request("Transfer-Encoding: xchunked", body="0\r\n\r\n"),
    "TE identity": request("Transfer-Encoding: identity", body="0\r\n\r\n"),
    "chunked not last": request("Transfer-Encoding: chunked, identity", body="0\r\n\r\n"),
    "chunk size no number": request("Transfer-Encoding: chunked", body="zz\r\n\r\n"),
    "chunk size beyond 64 bits": request("Transfer-Encoding: chunked", body="f" * 17 + "\r\n\r\n"),
    "chunk longer than said": request("Transfer-Encoding: chunked", body="2\r\nabc0\r\n\r\n"),
    "bare LF in chunks": request("Transfer-Encoding: chunked", body="2\nab\n0\n\n"),
    "upgrade with a body": request("Connection: upgrade", "Upgrade: h2c", "Content-Length: 2", body="ab"),
    "upgrade with chunks": request(
        "Connection: upgrade", "Upgrade: h2c", "Transfer-Encoding: chunked", body="0\r\n\r\n"
    ),
}


@pytest.mark.parametrize("sent", REFUSED.values(), ids=REFUSED.keys())
async def test_what_could_be_read_in_two_ways_is_refused(live: LiveApp, talk: Talk, sent: bytes) -> None:
    assert problem(await talk(live.port, sent)) == (400, "malformed_request")


ACCEPTED = {
    "chunk extension": request("Transfer-Encoding: chunked", body="2;a=b\r\nab\r\n0\r\n\r\n"),
    "a coding before chunked": request("Transfer-Encoding: gzip, chunked", body="2\r\nab\r\n0\r\n\r\n"),
    "chunks in HTTP/1.0": request(
        "Transfer-Encoding: chunked", version="HTTP/1.0", body="2\r\nab\r\n0\r\n\r\n"
    ),
    "no Host": b"POST /echo HTTP/1.1\r\nContent-Length: 2\r\n\r\nab",
    "two Hosts": request("Host: y", "Content-Length: 2", body="ab"),
    "an absolute address": b"POST http://other/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab",
    "HTTP/2.0 in words": request("Content-Length: 2", version="HTTP/2.0", body="ab"),
}


@pytest.mark.parametrize("sent", ACCEPTED.values(), ids=ACCEPTED.keys())
async def test_what_httptools_lets_through(live: LiveApp, talk: Talk, sent: bytes) -> None:
    """Stricter than this is the gateway's affair; the pin tells when the parser changes its mind."""
    answer = await talk(live.port, sent, until=b'"ab"')
    assert answer.startswith(b"HTTP/1.1 200 OK")


async def test_the_rest_after_a_refusal_is_not_read(live: LiveApp, talk: Talk) -> None:
    answer = await talk(live.port, REFUSED["TE before CL"] + request(method="GET"))
    assert answer.count(b"HTTP/1.1") == 1


async def test_garbage_does_not_end_up_in_an_answer_that_is_under_way(live: LiveApp, talk: Talk) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", live.port)
    writer.write(b"GET /until-told HTTP/1.1\r\nHost: x\r\n\r\n")
    received = await reader.readuntil(b"begun")
    writer.write(b"\x00garbage\r\n\r\n")
    await live.client.get("/tell")
    async with asyncio.timeout(10):
        received += await reader.read(-1)
    writer.close()
    answer, _, refusal = received.partition(b"0\r\n\r\n")
    assert answer.endswith(b"ended\r\n")
    assert problem(refusal) == (400, "malformed_request")


async def test_garbage_in_the_body_of_an_answer_that_has_begun_closes_without_a_word(
    live: LiveApp, talk: Talk
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", live.port)
    writer.write(b"POST /until-told HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    received = await reader.readuntil(b"begun")
    writer.write(b"zz\r\n")
    async with asyncio.timeout(10):
        received += await reader.read(-1)
    writer.close()
    assert received.count(b"HTTP/1.1") == 1
    assert b"malformed" not in received


async def test_an_upgrade_is_ignored_and_the_connection_closed(live: LiveApp, talk: Talk) -> None:
    """httptools reads nothing after it: a second request on this connection would wait for ever."""
    sent = request("Connection: upgrade", "Upgrade: websocket", method="GET")
    answer = await talk(live.port, sent + request(method="GET"))
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"connection: close" in answer
    assert answer.count(b"HTTP/1.1") == 1


async def test_requests_in_one_go_are_answered_in_order(live: LiveApp, talk: Talk) -> None:
    sent = request("Content-Length: 3", body="one") + request(
        "Content-Length: 3", "Connection: close", body="two"
    )
    answer = await talk(live.port, sent)
    assert answer.index(b'"one"') < answer.index(b'"two"')


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /" + b"a" * 2 * LONGEST_HEAD,
        b"GET /echo HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 2 * LONGEST_HEAD,
        b"GET /echo HTTP/1.1\r\nHost: x\r\n" + b"X-A: b\r\n" * LONGEST_HEAD,
    ],
    ids=["path", "one header", "many headers"],
)
async def test_a_head_without_end_is_431(live: LiveApp, sent: bytes) -> None:
    """Sent piece by piece until the refusal, so that nothing unread resets the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", live.port)
    for start in range(0, len(sent), 16_384):
        writer.write(sent[start : start + 16_384])
        try:
            async with asyncio.timeout(0.05):
                answer = await reader.read(-1)
        except TimeoutError:
            continue
        break
    writer.close()
    assert problem(answer) == (431, "headers_too_large")


async def test_a_long_head_passes(live: LiveApp, talk: Talk) -> None:
    answer = await talk(live.port, request("X-A: " + "a" * (LONGEST_HEAD - 1000), method="GET"), until=b'""')
    assert answer.startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("step", [LONGEST_HEAD * 2, 5000])
async def test_a_head_ends_at_the_limit_and_not_some_pieces_later(
    live: LiveApp, talk: Talk, step: int
) -> None:
    rest = len(request("Connection: close", "X-A: ", method="GET"))
    longest = request("Connection: close", "X-A: " + "a" * (LONGEST_HEAD - rest), method="GET")
    assert (await talk(live.port, longest, until=b'""')).startswith(b"HTTP/1.1 200 OK")
    longer = longest.replace(b"aa", b"aaa", 1)
    reader, writer = await asyncio.open_connection("127.0.0.1", live.port)
    for start in range(0, len(longer), step):
        writer.write(longer[start : start + step])
        await asyncio.sleep(0.001)  # so that they arrive in pieces
    assert problem(await reader.read(-1)) == (431, "headers_too_large")
    writer.close()


async def test_a_long_body_is_no_long_head(live: LiveApp, talk: Talk) -> None:
    size = 3 * LONGEST_HEAD
    answer = await talk(live.port, request(f"Content-Length: {size}", body="x" * size), until=b'x"')
    assert answer.startswith(b"HTTP/1.1 200 OK")
