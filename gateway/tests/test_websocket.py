"""WebSockets through the gateway: a real client, a real server, and upstreams that misbehave."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import structlog
from prometheus_client import REGISTRY
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus

from gateway.main import create_app
from gateway.settings import GatewaySettings
from gateway.wire.server import ClientConnection as GatewayConnection
from shared.identity.revocations import publish_end
from shared.testing import LiveApp, TestIdentity, served

ROUTES = """
[defaults]
methods = ["GET"]
timeout = 5.0
body_limit = 1000

[[upstream]]
name = "echo"
replicas = ["%s"]

[[route]]
path = "/chat"
upstream = "echo"
auth = "required"
websocket = true

[[route]]
path = "/open"
upstream = "items"
auth = "public"
websocket = true

[[route]]
path = "/plain"
upstream = "items"
auth = "public"
"""
HANDSHAKE = (
    b"GET /open HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
AGREED = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


@pytest_asyncio.fixture
async def echo() -> AsyncIterator[Any]:
    """Answers each message with itself; `heard` are the handshakes, `closed` the codes it was closed with."""
    heard: list[Any] = []
    closed: list[int | None] = []

    async def handle(socket: ServerConnection) -> None:
        heard.append(socket.request)
        with contextlib.suppress(ConnectionClosed):
            async for message in socket:
                if message == "die":
                    socket.transport.abort()
                elif isinstance(message, str) and message.startswith("close "):
                    await socket.close(int(message.removeprefix("close ")), "as asked")
                else:
                    await socket.send(message)
        await socket.wait_closed()
        closed.append(socket.close_code)

    async with serve(handle, "127.0.0.1", 0, max_size=None, ping_interval=None) as server:
        server.heard, server.codes = heard, closed
        server.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield server


@pytest.fixture
def gate(make_door, echo):
    """A gateway before `echo`."""
    return lambda **settings: make_door(routes=ROUTES % echo.url, **settings)


@pytest.fixture
def call(identity: TestIdentity):
    """`async with call(gate) as socket`: a client with a token."""

    def call(live: LiveApp, token: str | None = None, **options: Any) -> connect:
        headers = {"Authorization": f"Bearer {token or identity.token(7)}", "X-User-Id": "1"}
        url = f"ws://127.0.0.1:{live.port}/chat"
        options = {"ping_interval": None, "max_size": None, **options}
        return connect(url, additional_headers=headers, proxy=None, **options)

    return call


async def closing(socket: ClientConnection) -> int | None:
    """The code that `socket` is closed with."""
    async with asyncio.timeout(10):
        with contextlib.suppress(ConnectionClosed):
            while True:
                await socket.recv()
        await socket.wait_closed()
    return socket.close_code


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_messages_of_all_kinds_come_back(gate, echo, call) -> None:
    async with call(await gate()) as socket:
        for message in [
            "text",
            "",
            "grün",
            b"\x00\xff",
            b"x" * 125,
            b"y" * 126,
            b"z" * 70_000,
            b"!" * 5_000_000,
        ]:
            await socket.send(message)
            assert await socket.recv() == message
        await socket.send(["frag", "men", "ted"])
        assert await socket.recv() == "fragmented"
        await (await socket.ping(b"still there?"))
    assert echo.codes == [1000]


async def test_the_upstream_learns_who_calls_and_nothing_that_a_caller_claims(
    gate, echo, call, identity: TestIdentity
) -> None:
    token = identity.token(7)
    async with call(await gate(), token, subprotocols=None):
        pass
    headers = echo.heard[0].headers
    assert headers["Authorization"] == f"Bearer {token}"
    assert headers["X-Forwarded-For"] == "127.0.0.1"
    assert headers["X-Request-ID"]
    assert "X-User-Id" not in headers


@pytest.mark.parametrize("code", [1000, 1001, 1011, 4321])
async def test_close_codes_pass_both_ways(gate, echo, call, eventually, code: int) -> None:
    live = await gate()
    async with call(live) as socket:
        await socket.send(f"close {code}")
        assert await closing(socket) == code
    async with call(live) as socket:
        await socket.close(code)
    await eventually(lambda: echo.codes == [code, code])


async def test_without_a_token_nothing_is_upgraded(gate, echo, call) -> None:
    live = await gate()
    for headers in ({}, {"Authorization": "Bearer a.b.c"}):
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://127.0.0.1:{live.port}/chat", additional_headers=headers, proxy=None)
        assert refused.value.response.status_code == 401
    assert echo.heard == []


async def test_an_upstreams_refusal_passes_and_the_connection_ends(gate, items, dial) -> None:
    items.answer = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno"
    wire = await dial((await gate()).port)
    await wire.send(HANDSHAKE + b"\r\n")
    status, head, body = await wire.answer()
    assert (status, body) == (403, b"no")
    assert b"connection: close" in head
    assert await wire.rest() == b""
    assert items.last.values(b"upgrade") == [b"websocket"]


@pytest.mark.parametrize(
    "wrong",
    [
        AGREED.replace(b"s3p", b"S3p"),
        AGREED.replace(b"Upgrade: websocket\r\n", b"Upgrade: h2c\r\n"),
        AGREED.replace(b"Connection: Upgrade\r\n", b""),
        AGREED[:-2] + b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        AGREED[:-2] + b"Transfer-Encoding: identity\r\n\r\n",
        AGREED[:-2] + b"Transfer-Encoding: chunked\r\n\r\n",
    ],
    ids=["accept", "protocol", "no connection", "two accepts", "a coding", "chunked"],
)
async def test_a_101_that_answers_another_handshake_opens_nothing(gate, items, dial, wrong: bytes) -> None:
    items.answer = wrong
    wire = await dial((await gate()).port)
    await wire.send(HANDSHAKE + b"\r\n")
    assert (await wire.answer())[0] == 502


@pytest.mark.parametrize(
    ("handshake", "status"),
    [
        (HANDSHAKE.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"c2hvcnQ="), 400),
        (HANDSHAKE.replace(b"Sec-WebSocket-Key: ", b"X-Key: "), 400),
        (HANDSHAKE + b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", 400),
        (HANDSHAKE.replace(b"Version: 13", b"Version: 8"), 426),
        (HANDSHAKE + b"Content-Length: 3\r\n", 400),
        (HANDSHAKE + b"Transfer-Encoding: chunked\r\n", 400),
    ],
    ids=["short key", "no key", "two keys", "version", "body", "chunked"],
)
async def test_a_wrong_handshake_reaches_no_upstream(
    gate, items, dial, handshake: bytes, status: int
) -> None:
    wire = await dial((await gate()).port)
    await wire.send(handshake + b"\r\n")
    assert (await wire.answer())[0] == status
    assert items.requests == []


@pytest.mark.parametrize(
    "request_bytes",
    [
        HANDSHAKE.replace(b"/open", b"/plain"),
        HANDSHAKE.replace(b"websocket", b"h2c"),
        HANDSHAKE.replace(b"websocket", b"websocket, h2c"),
        HANDSHAKE.replace(b"keep-alive, Upgrade", b"keep-alive"),
        HANDSHAKE.replace(b"HTTP/1.1", b"HTTP/1.0"),
    ],
    ids=["route", "token", "two tokens", "no connection", "http 1.0"],
)
async def test_what_is_no_upgrade_here_is_a_plain_request(gate, items, dial, request_bytes: bytes) -> None:
    wire = await dial((await gate()).port)
    await wire.send(request_bytes + b"\r\n")
    assert b" 200 " in await wire.head()
    assert items.last.values(b"upgrade") == []
    assert items.last.values(b"connection") == []


@pytest.mark.parametrize("together", [True, False])
async def test_bytes_before_the_answer_are_refused_and_not_passed_on(
    gate, items, dial, eventually, together: bool
) -> None:
    async def script(peer) -> None:
        items.requests.append(await peer.request())
        await peer.until_closed()

    items.script = script
    wire = await dial((await gate()).port)
    smuggled = b"GET /mine HTTP/1.1\r\nHost: x\r\n\r\n"
    await wire.send(HANDSHAKE + b"\r\n" + (smuggled if together else b""))
    if not together:
        await eventually(lambda: items.requests)
        await wire.send(smuggled)
    assert (await wire.answer())[0] == 400
    assert await wire.rest() == b""
    await eventually(lambda: items.closed == items.peers)


async def test_what_the_upstream_says_with_its_agreement_arrives(gate, items, dial, eventually) -> None:
    async def script(peer) -> None:
        await peer.request()
        await peer.send(AGREED + b"\x81\x02hi")
        await peer.until_closed()

    items.script = script
    wire = await dial((await gate()).port)
    await wire.send(HANDSHAKE + b"\r\n")
    head = await wire.head()
    assert b"connection: upgrade\r\nupgrade: websocket" in head
    assert b"connection: close" not in head
    assert await wire.reader.readexactly(4) == b"\x81\x02hi"
    wire.reset()
    await eventually(lambda: items.closed)


async def test_an_upstream_that_dies_takes_its_client_along(gate, call, eventually) -> None:
    before = counted("gateway_websockets_open")
    async with call(await gate()) as socket:
        await socket.send("die")
        assert await closing(socket) == 1006
    await eventually(lambda: counted("gateway_websockets_open") == before)


async def test_a_client_that_dies_ends_the_upstreams_side(gate, echo, call, eventually) -> None:
    async with call(await gate()) as socket:
        await socket.send("hello")
        await socket.recv()
        socket.transport.abort()
        await eventually(lambda: echo.codes == [1006])


async def test_a_reader_that_stops_holds_the_writer_back(gate, items, dial, eventually) -> None:
    sent = 0

    async def script(peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(AGREED)
        for _ in range(64):
            await peer.send(b"\x82\x7f" + (1_000_000).to_bytes(8) + b"x" * 1_000_000)
            sent += 1
        await peer.until_closed()

    items.script = script
    wire = await dial((await gate()).port, narrow=True)
    await wire.send(HANDSHAKE + b"\r\n")
    await wire.head()
    await eventually(lambda: sent)
    assert sent < 32
    for _ in range(64):
        await wire.reader.readexactly(1_000_010)
    assert sent == 64


@pytest.mark.parametrize(
    ("settings", "reason"),
    [({"websocket_idle": 0.2}, "idle"), ({"websocket_lifetime": 0.2}, "lifetime")],
    ids=["idle", "lifetime"],
)
async def test_a_limit_closes_both_sides_with_1001(
    gate, echo, call, eventually, settings, reason: str
) -> None:
    labels = {"route": "/chat", "reason": reason}
    before = counted("gateway_websockets_closed_total", **labels)
    async with call(await gate(**settings)) as socket:
        assert await closing(socket) == 1001
    await eventually(lambda: echo.codes == [1001])
    await eventually(lambda: counted("gateway_websockets_closed_total", **labels) == before + 1)


async def test_a_worker_that_stops_closes_both_sides_with_1001(
    given, upstreams, echo, call, tmp_path: Path, eventually
) -> None:
    table = tmp_path / "routes.toml"
    table.write_text(ROUTES % echo.url)
    app = create_app(GatewaySettings(**{**given, "routes_file": table}))
    async with contextlib.AsyncExitStack() as running:
        live = await running.enter_async_context(served(app, protocol=GatewayConnection))
        socket = await call(live)
        await socket.send("hello")
        await socket.recv()
        async with asyncio.TaskGroup() as both:
            both.create_task(running.pop_all().aclose())
            closed = both.create_task(closing(socket))
        assert closed.result() == 1001
    await eventually(lambda: echo.codes == [1001])


async def test_a_frame_under_way_is_not_cut_into(gate, items, dial, eventually) -> None:
    heard: list[bytes] = []

    async def script(peer) -> None:
        await peer.request()
        await peer.send(AGREED + b"\x82\x05ab")
        heard.append(await peer.reader.read())

    items.script = script
    wire = await dial((await gate(websocket_idle=0.2)).port)
    await wire.send(HANDSHAKE + b"\r\n")
    await wire.head()
    assert await wire.rest() == b"\x82\x05ab"
    wire.writer.close()
    await eventually(lambda: heard)
    assert heard[0][:2] == b"\x88\x82"


async def test_a_session_that_ends_closes_its_websocket(
    gate, echo, call, identity: TestIdentity, redis, eventually
) -> None:
    token = identity.token(7, sid="ends-while-open")
    async with call(await gate(), token) as socket:
        await publish_end(redis, ["ends-while-open"], 900)
        assert await closing(socket) == 1008
    await eventually(lambda: echo.codes == [1008])


async def test_more_than_the_limit_are_503(gate, call) -> None:
    live = await gate(websocket_connections=1)
    async with call(live):
        with pytest.raises(InvalidStatus) as refused:
            await call(live)
        assert refused.value.response.status_code == 503


async def test_each_websocket_is_one_line_in_the_log_at_its_end(gate, call, eventually) -> None:
    live = await gate()
    with structlog.testing.capture_logs() as events:
        async with call(live) as socket:
            await socket.send("hello")
            await socket.recv()
            assert events == []
        await eventually(lambda: events)
    assert [(line["event"], line["path"], line["status"]) for line in events] == [("request", "/chat", 101)]
