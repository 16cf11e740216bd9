"""A gateway really served, in front of upstreams on raw sockets that tests can script."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import structlog
from redis.asyncio import Redis

from gateway.main import create_app
from gateway.settings import GatewaySettings
from gateway.tests.processes import start
from gateway.wire.server import ClientConnection
from shared.redis import request_client
from shared.settings import RedisSettings
from shared.testing import LiveApp, TestIdentity, served

__all__ = ["start"]
INTERNAL_SECRET = "known-to-users-and-gateway"
TABLE = """
[defaults]
methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
upstream = "items"
timeout = 20.0
body_limit = 100_000_000

[[route]]
prefix = "/items"
auth = "public"

[[route]]
prefix = "/items/small"
auth = "public"
body_limit = 1000

[[route]]
prefix = "/items/medium"
auth = "public"
body_limit = 100_000

[[route]]
prefix = "/impatient"
auth = "public"
timeout = 0.3

[[route]]
prefix = "/mine"
auth = "required"

[[route]]
prefix = "/perhaps"
auth = "optional"

[[route]]
prefix = "/office"
auth = "role:admin"

[[route]]
prefix = "/read"
auth = "public"
methods = ["GET"]

[[route]]
prefix = "/read/write"
methods = ["POST"]
auth = "required"
"""


@dataclass(frozen=True)
class Request:
    """What an upstream got, byte for byte."""

    head: bytes
    body: bytes

    @property
    def line(self) -> bytes:
        return self.head.split(b"\r\n")[0]

    @property
    def target(self) -> bytes:
        return self.line.split(b" ")[1]

    @property
    def fields(self) -> list[tuple[bytes, bytes]]:
        lines = self.head.split(b"\r\n")[1:-2]
        return [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]

    def values(self, name: bytes) -> list[bytes]:
        return [value for field, value in self.fields if field == name]


class Peer:
    """One connection, as the upstream sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def head(self) -> bytes:
        """The next request's head. Raises IncompleteReadError once the gateway has closed."""
        return await self.reader.readuntil(b"\r\n\r\n")

    async def request(self) -> Request:
        head = await self.head()
        return Request(head, b"".join([piece async for piece in self.body(head)]))

    async def body(self, head: bytes) -> AsyncIterator[bytes]:
        lower = head.lower()
        if b"transfer-encoding: chunked" in lower:
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                yield (await self.reader.readexactly(size + 2))[:-2]
            assert await self.reader.readexactly(2) == b"\r\n"
        elif b"content-length: " in lower:
            left = int(lower.split(b"content-length: ")[1].split(b"\r\n")[0])
            while left:
                piece = await self.reader.read(min(left, 65536))
                if not piece:
                    raise asyncio.IncompleteReadError(b"", left)
                left -= len(piece)
                yield piece

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def until_closed(self) -> None:
        while await self.reader.read(65536):
            pass


Script = Callable[[Peer], Awaitable[None]]


def answer_of(body: bytes = b"ok", head: bytes = b"HTTP/1.1 200 OK\r\n") -> bytes:
    return head + b"content-length: %d\r\n\r\n" % len(body) + body


class Upstream:
    """Records each request and answers it with `answer`, unless `script` says what else to do."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[Request] = []
        self.peers = 0  # connections that have begun
        self.closed = 0  # and those that have ended
        self.answer = answer_of()
        self.script: Script = self.keep_answering
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._errors: list[Exception] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def last(self) -> Request:
        return self.requests[-1]

    async def keep_answering(self, peer: Peer) -> None:
        while True:
            self.requests.append(await peer.request())
            await peer.send(self.answer)

    def hold(self, answer: bytes) -> asyncio.Event:
        """From now on requests are recorded, and get this answer once the event is set."""
        may_answer = asyncio.Event()

        async def script(peer: Peer) -> None:
            while True:
                self.requests.append(await peer.request())
                await may_answer.wait()
                await peer.send(answer)

        self.script = script
        return may_answer

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=1 << 20)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._drop()
        await self._server.wait_closed()

    async def reset(self) -> None:
        """As new, for the next test. Raises what a script raised."""
        await self._drop()
        self.requests, self.peers, self.closed = [], 0, 0
        self.script, self.answer = self.keep_answering, answer_of()
        errors, self._errors = self._errors, []
        assert errors == []

    async def _drop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.peers += 1
        try:
            await self.script(Peer(reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        except Exception as error:  # noqa: BLE001 - reset() raises it
            self._errors.append(error)
        finally:
            writer.close()
            self.closed += 1
            self._tasks.discard(task)


@dataclass
class Upstreams:
    users: Upstream
    items: Upstream
    predict: Upstream

    @property
    def urls(self) -> dict[str, str]:
        return {
            "users_url": self.users.url,
            "items_url": self.items.url,
            "ml_predict_url": self.predict.url,
        }


@pytest_asyncio.fixture(scope="session")
async def all_upstreams() -> AsyncIterator[Upstreams]:
    made = Upstreams(Upstream(), Upstream(), Upstream())
    members = [made.users, made.items, made.predict]
    for upstream in members:
        await upstream.start()
    yield made
    for upstream in members:
        await upstream.stop()


@pytest_asyncio.fixture
async def upstreams(all_upstreams: Upstreams) -> AsyncIterator[Upstreams]:
    yield all_upstreams
    for upstream in (all_upstreams.users, all_upstreams.items, all_upstreams.predict):
        await upstream.reset()


@pytest.fixture
def items(upstreams: Upstreams) -> Upstream:
    return upstreams.items


@pytest.fixture
def users(upstreams: Upstreams) -> Upstream:
    return upstreams.users


@pytest.fixture(scope="session")
def given(
    all_upstreams: Upstreams,
    identity: TestIdentity,
    redis_settings: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    """Settings of a gateway before `TABLE`'s upstreams."""
    table = tmp_path_factory.mktemp("gateway") / "routes.toml"
    table.write_text(TABLE)
    return {
        **redis_settings,
        **all_upstreams.urls,
        "jwks_url": identity.jwks_url,
        "internal_secret": INTERNAL_SECRET,
        "routes_file": table,
        "log_format": "json",
    }


@pytest_asyncio.fixture(scope="session")
async def shared_door(given: dict[str, Any]) -> AsyncIterator[LiveApp]:
    async with served(create_app(GatewaySettings(**given)), protocol=ClientConnection) as live:
        yield live


@pytest.fixture
def door(shared_door: LiveApp, upstreams: Upstreams) -> LiveApp:
    """A gateway with `TABLE`; one for all tests that need no settings of their own."""
    return shared_door


MakeDoor = Callable[..., Awaitable[LiveApp]]


@pytest_asyncio.fixture
async def make_door(given: dict[str, Any], upstreams: Upstreams, tmp_path: Path) -> AsyncIterator[MakeDoor]:
    """`await make_door(routes=…, cors_origins=…)`: a gateway of the test's own."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(*, routes: str | None = None, **changed: Any) -> LiveApp:
            if routes is not None:
                changed["routes_file"] = tmp_path / "routes.toml"
                changed["routes_file"].write_text(routes)
            return await stack.enter_async_context(
                served(create_app(GatewaySettings(**{**given, **changed})), protocol=ClientConnection)
            )

        yield make


class Wire:
    """A client without any manners of its own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> bytes:
        async with asyncio.timeout(10):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def answer(self) -> tuple[int, bytes, bytes]:
        """Status, head and body of the next response; a body of no declared length is read to the end."""
        head = await self.head()
        lower = head.lower()
        async with asyncio.timeout(10):
            if b"content-length: " in lower:
                length = int(lower.split(b"content-length: ")[1].split(b"\r\n")[0])
                body = await self.reader.readexactly(length)
            else:
                body = await self.reader.read()
        return int(head.split(b" ")[1]), head, body

    async def rest(self) -> bytes:
        """Everything until the gateway closes."""
        async with asyncio.timeout(10):
            return await self.reader.read()

    def reset(self) -> None:
        self.writer.transport.abort()


@pytest_asyncio.fixture
async def dial() -> AsyncIterator[Callable[..., Awaitable[Wire]]]:
    """`await dial(port)`: a connection of bytes; `narrow` makes its receive buffer as small as it gets."""
    made: list[Wire] = []

    async def connect(port: int, *, narrow: bool = False) -> Wire:
        plug = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        if narrow:
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plug.setblocking(False)
        await asyncio.get_running_loop().sock_connect(plug, ("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=plug, limit=1 << 16)
        made.append(Wire(reader, writer))
        return made[-1]

    yield connect
    for wire in made:
        wire.writer.close()
        with contextlib.suppress(ConnectionError):
            await wire.writer.wait_closed()


@pytest_asyncio.fixture
async def redis(redis_settings: dict[str, Any]) -> AsyncIterator[Redis]:
    client = request_client(RedisSettings(**redis_settings))
    yield client
    await client.aclose()


class Heard(logging.Handler):
    """What was logged: our events and the standard library's records."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Any] = []
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    @property
    def errors(self) -> list[Any]:
        ours = [event for event in self.events if event["log_level"] in {"error", "critical"}]
        return ours + [record.getMessage() for record in self.records if record.levelno >= logging.ERROR]

    def named(self, event: str) -> list[Any]:
        return [entry for entry in self.events if entry["event"] == event]


@pytest.fixture
def heard(door: LiveApp) -> Iterator[Heard]:
    """The log of `door`, from here on."""
    handler = Heard()
    logging.getLogger().addHandler(handler)
    with structlog.testing.capture_logs() as events:
        handler.events = events
        yield handler
    logging.getLogger().removeHandler(handler)


@pytest.fixture
def answer() -> Callable[..., bytes]:
    """`answer(b"body", b"HTTP/1.1 200 OK\\r\\n…")`: a response with its length."""
    return answer_of
