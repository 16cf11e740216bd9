"""Clients that behave badly, over raw sockets: each costs little, is told why, and is gone in time."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from prometheus_client import REGISTRY

from shared.settings import WireSettings
from shared.testing import LiveApp, served

LIMITS = WireSettings(
    head_timeout=0.4, keep_alive=0.8, body_timeout=0.4, answer_timeout=0.4, max_connections=30, drain_grace=0
)
# For a test that opens many connections before it sends anything, which takes long on a busy machine.
PATIENT = LIMITS.model_copy(
    update={"head_timeout": 60, "keep_alive": 60, "body_timeout": 60, "answer_timeout": 60}
)
Connect = Callable[[], Any]
Talk = Callable[..., Any]
Eventually = Callable[..., Any]


class Gate:
    """Holds `/gated` back until the test opens it."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.entered = 0


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def limits() -> WireSettings:
    return LIMITS


@pytest_asyncio.fixture(loop_scope="session")
async def live(gate: Gate, make_app: Callable[..., Any], limits: WireSettings) -> AsyncIterator[LiveApp]:
    router = APIRouter()

    @router.api_route("/echo", methods=["GET", "POST"])
    async def echo(request: Request) -> dict[str, Any]:
        body = await request.body()
        return {"body": body.decode("latin-1"), "headers": sorted(request.headers)}

    @router.get("/gated")
    async def wait_for_the_gate() -> str:
        gate.entered += 1
        await gate.opened.wait()
        return "opened"

    @router.post("/unread")
    async def answer_without_reading() -> str:
        return "unread"

    @router.get("/large")
    async def answer_at_length() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            for _ in range(1000):
                yield b"x" * 65_536

        return StreamingResponse(parts())

    async with served(make_app(router), limits=limits) as live:
        yield live


@pytest_asyncio.fixture(loop_scope="session")
async def connect(live: LiveApp) -> AsyncIterator[Connect]:
    """`reader, writer = await connect()`"""
    async with contextlib.AsyncExitStack() as stack:

        async def opened() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            reader, writer = await asyncio.open_connection("127.0.0.1", live.port)
            stack.callback(writer.close)
            return reader, writer

        yield opened


def head(method: str, path: str, *lines: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *lines, "", ""]).encode("latin-1")


async def rest(reader: asyncio.StreamReader) -> bytes:
    """Everything until the server closes; a reset counts as that."""
    received = b""
    async with asyncio.timeout(10):
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(65_536):
                received += chunk
    return received


def problem(answer: bytes) -> dict[str, Any]:
    """The one problem document that `answer` is."""
    top, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in top, answer[:300]
    assert b"connection: close" in top
    members: dict[str, Any] = json.loads(body)
    assert int(top.split(b" ")[1]) == members["status"]
    assert f"x-request-id: {members['request_id']}".encode() in top
    return members


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


# Pipelining


async def test_eight_pipelined_requests_wait_and_are_answered_in_order(connect: Connect) -> None:
    reader, writer = await connect()
    bodies = [f"number {index}" for index in range(9)]
    for index, body in enumerate(bodies):
        last = ["Connection: close"] if index == len(bodies) - 1 else []
        writer.write(head("POST", "/echo", f"Content-Length: {len(body)}", *last) + body.encode())
    answer = (await rest(reader)).decode()
    assert answer.count("HTTP/1.1 200 OK") == 9
    assert sorted(bodies, key=answer.index) == bodies


async def test_one_more_is_400_after_the_answers_of_those_that_wait(
    connect: Connect, gate: Gate, eventually: Eventually
) -> None:
    reader, writer = await connect()
    writer.write(head("GET", "/gated") * 10)
    await eventually(lambda: gate.entered == 1)
    gate.opened.set()
    *answers, last = (await rest(reader)).split(b"HTTP/1.1 ")[1:]
    assert len(answers) == 9
    assert all(answer.startswith(b"200 OK") for answer in answers)
    members = problem(b"HTTP/1.1 " + last)
    assert (members["status"], members["code"], members["instance"]) == (400, "too_many_pipelined", "/gated")
    assert gate.entered == 9


async def test_nothing_is_read_while_pipelined_requests_wait(
    connect: Connect, gate: Gate, eventually: Eventually
) -> None:
    """A flood stays in the sender: the server takes one buffer of it, not megabytes."""
    reader, writer = await connect()
    writer.transport.set_write_buffer_limits(high=0)
    writer.write(head("GET", "/gated") * 2)
    await eventually(lambda: gate.entered == 1)
    for _ in range(400):  # 16 MB, more than the kernel buffers
        writer.write(head("GET", "/gated") * 1000)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await writer.drain()
    gate.opened.set()
    answer = await rest(reader)
    most = 2 + 1 + 1 + 8  # those before, one at once, one in hand, and those that wait
    assert answer.count(b"HTTP/1.1 200 OK") <= most
    assert gate.entered <= most
    assert b"too_many_pipelined" in answer


async def test_a_client_that_leaves_takes_its_waiting_requests_along(
    live: LiveApp, connect: Connect, gate: Gate, eventually: Eventually
) -> None:
    _, writer = await connect()
    writer.write(head("GET", "/gated") * 8)
    await eventually(lambda: gate.entered == 1)
    writer.transport.abort()
    gate.opened.set()
    assert (await live.client.get("/gated")).json() == "opened"
    assert gate.entered <= 3  # the reset is seen when an answer is written: the next one may have begun


# Trailers


async def test_a_trailer_is_dropped(live: LiveApp, talk: Talk) -> None:
    sent = head("POST", "/echo", "Transfer-Encoding: chunked", "Connection: close")
    sent += b"2\r\nab\r\n0\r\nAuthorization: Bearer x\r\nX-API-Key: y\r\n\r\n"
    answer = json.loads((await talk(live.port, sent)).partition(b"\r\n\r\n")[2])
    assert answer == {"body": "ab", "headers": ["connection", "host", "transfer-encoding"]}


ENDLESS = {
    "many trailers": b"0\r\n" + b"X-Trailer: yes\r\n" * 20_000,
    "one trailer": b"0\r\nX-Trailer: " + b"x" * 200_000,
    "a chunk extension": b"2;" + b"x" * 200_000,
}


@pytest.mark.parametrize("sent", ENDLESS.values(), ids=ENDLESS.keys())
async def test_trailers_count_towards_the_limit_of_a_head(live: LiveApp, talk: Talk, sent: bytes) -> None:
    begun = head("POST", "/echo", "Transfer-Encoding: chunked") + b"2\r\nab\r\n"
    members = problem(await talk(live.port, begun + sent))
    assert (members["status"], members["code"]) == (431, "headers_too_large")


# Deadlines


@pytest.mark.parametrize("sent", [b"", b"\r\n"], ids=["nothing", "an empty line"])
async def test_a_silent_connection_is_closed(connect: Connect, sent: bytes) -> None:
    before = counted("http_wire_closed_total", reason="idle")
    reader, writer = await connect()
    writer.write(sent)
    assert await rest(reader) == b""
    assert counted("http_wire_closed_total", reason="idle") == before + 1


async def test_half_a_head_is_408(connect: Connect) -> None:
    before = counted("http_wire_refusals_total", code="head_timeout")
    reader, writer = await connect()
    writer.write(b"GET /echo HTTP/1.1\r\nX-Request-ID: mine\r\nX-A: ")
    members = problem(await rest(reader))
    assert (members["status"], members["code"], members["instance"]) == (408, "head_timeout", "/echo")
    assert members["request_id"] == "mine"
    assert counted("http_wire_refusals_total", code="head_timeout") == before + 1


async def test_a_head_that_trickles_is_408(connect: Connect) -> None:
    """Progress does not help: the deadline is for the whole head."""
    reader, writer = await connect()
    writer.write(b"GET /echo HTTP/1.1\r\n")
    answer = asyncio.create_task(rest(reader))
    while not answer.done():
        writer.write(b"X-A: b\r\n")
        await asyncio.wait([answer], timeout=0.02)
    assert problem(await answer)["code"] == "head_timeout"


async def test_a_byte_after_an_answer_is_the_beginning_of_a_head(connect: Connect) -> None:
    reader, writer = await connect()
    writer.write(head("GET", "/echo"))
    await reader.readuntil(b"}")
    writer.write(b"G")
    assert problem(await rest(reader))["code"] == "head_timeout"


async def test_an_idle_connection_is_closed_without_an_answer(connect: Connect) -> None:
    reader, writer = await connect()
    writer.write(head("GET", "/echo"))
    await reader.readuntil(b"}")
    assert await rest(reader) == b""


async def test_a_body_that_stalls_is_408(connect: Connect) -> None:
    reader, writer = await connect()
    writer.write(head("POST", "/echo?secret=1", "Content-Length: 10") + b"half")
    members = problem(await rest(reader))
    assert (members["status"], members["code"], members["instance"]) == (408, "body_timeout", "/echo")


async def test_a_body_that_goes_on_slowly_is_waited_for(connect: Connect) -> None:
    reader, writer = await connect()
    writer.write(head("POST", "/echo", "Content-Length: 6", "Connection: close"))
    for byte in (b"s", b"l", b"o", b"w", b"l", b"y"):
        await asyncio.sleep(0.2)  # together longer than the limit, each well below it
        writer.write(byte)
    assert b'"body":"slowly"' in await rest(reader)


async def test_a_body_that_nobody_wanted_is_not_read_for_ever(connect: Connect) -> None:
    before = counted("http_wire_closed_total", reason="unwanted_body")
    reader, writer = await connect()
    writer.write(head("POST", "/unread", "Transfer-Encoding: chunked"))
    answer = asyncio.create_task(rest(reader))
    while not answer.done():
        writer.write(b"1\r\nx\r\n")
        await asyncio.wait([answer], timeout=0.02)
    assert b"unread" in await answer
    assert counted("http_wire_closed_total", reason="unwanted_body") == before + 1


UNWANTED = {
    "chunks": (head("POST", "/unread", "Transfer-Encoding: chunked"), b"1\r\nx\r\n" * 16_384),
    "trailers": (
        head("POST", "/unread", "Transfer-Encoding: chunked") + b"1\r\nx\r\n0\r\n",
        b"X-Trailer: yes\r\n" * 4096,
    ),
    "requests": (b"", head("GET", "/echo") * 1024),
}


@pytest.mark.parametrize("limits", [PATIENT], ids=["patient"])
@pytest.mark.parametrize(("begun", "more"), UNWANTED.values(), ids=UNWANTED.keys())
async def test_what_nobody_wants_is_read_up_to_a_limit(connect: Connect, begun: bytes, more: bytes) -> None:
    """A client that goes on sending costs the others nothing: it waits, and is cut off."""
    _, writer = await connect()
    writer.write(begun)
    sent = 0
    with contextlib.suppress(ConnectionError, TimeoutError):
        while sent < 200_000_000:
            writer.write(more)
            sent += len(more)
            async with asyncio.timeout(5):
                await writer.drain()
    assert sent < 40_000_000  # what the kernel keeps for both sides is in it


@pytest.mark.parametrize("limits", [PATIENT], ids=["patient"])
async def test_a_large_body_whose_answer_came_early_is_read_to_its_end(connect: Connect) -> None:
    """A reset would take the answer from a client that first sends all of it."""
    reader, writer = await connect()
    writer.write(head("POST", "/unread", "Content-Length: 60000000"))
    for _ in range(60):
        writer.write(b"x" * 1_000_000)
        await writer.drain()
    writer.write(head("GET", "/echo", "Connection: close"))
    answer = await rest(reader)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"HTTP/1.1 200 OK" in answer


async def test_a_client_that_does_not_read_is_closed(live: LiveApp, eventually: Eventually) -> None:
    before = counted("http_wire_closed_total", reason="reader")
    with socket.create_connection(("127.0.0.1", live.port)) as client:
        client.sendall(head("GET", "/large"))
        await eventually(lambda: counted("http_wire_closed_total", reason="reader") == before + 1)


async def test_an_answer_that_takes_long_is_waited_for(
    connect: Connect, gate: Gate, eventually: Eventually
) -> None:
    """The deadlines are for clients: how long the application may take is its own affair."""
    reader, writer = await connect()
    writer.write(head("GET", "/gated", "Connection: close"))
    await eventually(lambda: gate.entered == 1)
    await asyncio.sleep(1)  # longer than each limit
    gate.opened.set()
    assert b"opened" in await rest(reader)


# Number of connections


@pytest.mark.parametrize("limits", [PATIENT], ids=["patient"])
async def test_a_connection_too_many_is_503_and_the_next_one_is_served_when_there_is_room(
    live: LiveApp, connect: Connect, talk: Talk, gate: Gate, eventually: Eventually
) -> None:
    writers = [(await connect())[1] for _ in range(30)]
    for writer in writers:
        writer.write(head("GET", "/gated"))
    await eventually(lambda: gate.entered == 30)
    answer = await talk(live.port, head("GET", "/echo", "X-Request-ID: mine"))
    members = problem(answer)
    assert (members["status"], members["code"], members["instance"]) == (503, "too_many_connections", "/echo")
    assert members["request_id"] == "mine"
    assert b"retry-after: 1" in answer
    gate.opened.set()
    for writer in writers:
        writer.close()
    await eventually(lambda: _served(talk, live))


async def _served(talk: Talk, live: LiveApp) -> bool:
    answer = await talk(live.port, head("GET", "/echo", "Connection: close"))
    return bool(answer.startswith(b"HTTP/1.1 200 OK"))


async def test_far_too_many_are_closed_at_once(connect: Connect, gate: Gate, eventually: Eventually) -> None:
    for _ in range(30):
        _, writer = await connect()
        writer.write(head("GET", "/gated"))
    await eventually(lambda: gate.entered == 30)
    others = [await connect() for _ in range(40)]
    answers = await asyncio.gather(*(rest(reader) for reader, _ in others))
    refused = [answer for answer in answers if answer]
    assert len(refused) >= 20
    assert {problem(answer)["code"] for answer in refused} == {"too_many_connections"}
