"""Scripted upstreams on real sockets, pools that must leave nothing behind, both event loops."""

import asyncio
import gc
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import pytest
import pytest_asyncio
import uvloop

from gateway.upstream import UpstreamPool, UpstreamResponse


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@dataclass
class Peer:
    """One accepted connection, as the upstream sees it."""

    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    upstream: "ScriptedUpstream"
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def request(self) -> tuple[bytes, bytes]:
        """The next request's head and body; ConnectionError once the client has closed."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
            body = await self._body(head.lower())
        except asyncio.IncompleteReadError as error:
            raise ConnectionError("the client closed") from error
        self.upstream.requests.append((head, body))
        return head, body

    async def _body(self, head: bytes) -> bytes:
        if b"transfer-encoding: chunked" in head:
            body = b""
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                body += (await self.reader.readexactly(size + 2))[:-2]
            assert await self.reader.readexactly(2) == b"\r\n"
            return body
        if b"content-length: " not in head:
            return b""
        return await self.reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def until_closed(self) -> None:
        """Reads on until the client has closed."""
        while await self.reader.read(65536):
            pass

    def reset(self) -> None:
        """Closes with RST."""
        linger = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


class ScriptedUpstream:
    """Runs `script` for each connection and closes the connection when the script returns."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._server: asyncio.Server | None = None
        self._scripts: set[asyncio.Task[Any]] = set()
        self.port = 0
        self.peers: list[Peer] = []
        self.requests: list[tuple[bytes, bytes]] = []
        self.errors: list[BaseException] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for script in list(self._scripts):
            script.cancel()
        if self._scripts:
            await asyncio.wait(self._scripts)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._scripts.add(task)
        peer = Peer(len(self.peers), reader, writer, self)
        self.peers.append(peer)
        try:
            await self._script(peer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        except Exception as error:  # noqa: BLE001 - the fixture fails the test with it
            self.errors.append(error)
        finally:
            writer.close()
            peer.ended.set()
            self._scripts.discard(task)


class StartUpstream(Protocol):
    async def __call__(self, script: Script) -> ScriptedUpstream: ...


class MakePool(Protocol):
    def __call__(self, upstream: ScriptedUpstream | str, **settings: Any) -> UpstreamPool: ...


@pytest_asyncio.fixture(loop_scope="function")
async def start_upstream() -> AsyncIterator[StartUpstream]:
    started: list[ScriptedUpstream] = []

    async def start(script: Script) -> ScriptedUpstream:
        upstream = ScriptedUpstream(script)
        await upstream.start()
        started.append(upstream)
        return upstream

    yield start
    for upstream in started:
        await upstream.stop()
        assert upstream.errors == []


@pytest_asyncio.fixture(loop_scope="function")
async def make_pool(start_upstream: StartUpstream) -> AsyncIterator[MakePool]:
    """Pools that are closed after the test and must have lost no slot and no exception by then."""
    loop = asyncio.get_running_loop()
    unretrieved: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _loop, context: unretrieved.append(context))
    pools: list[UpstreamPool] = []

    def make(upstream: ScriptedUpstream | str, **settings: Any) -> UpstreamPool:
        url = upstream if isinstance(upstream, str) else upstream.url
        pools.append(UpstreamPool("gems", url, **settings))
        return pools[-1]

    yield make
    for pool in pools:
        await pool.close(grace=0)
        assert pool.stats == (0, 0, 0, 0)
    gc.collect()
    assert unretrieved == []


class Ask(Protocol):
    async def __call__(self, pool: UpstreamPool, method: bytes = b"GET", **more: Any) -> UpstreamResponse: ...


@pytest.fixture
def ask() -> Ask:
    """A request of which only what matters to the test need be said."""

    async def ask(pool: UpstreamPool, method: bytes = b"GET", **more: Any) -> UpstreamResponse:
        return await pool.request(
            method,
            more.get("target", b"/gems"),
            more.get("headers", []),
            more.get("body"),
            first_byte_timeout=more.get("first_byte_timeout", 10.0),
            total_timeout=more.get("total_timeout", 30.0),
        )

    return ask


@pytest.fixture
def read() -> Callable[[UpstreamResponse], Awaitable[bytes]]:
    """The whole body, by iteration."""

    async def read(response: UpstreamResponse) -> bytes:
        return b"".join([chunk async for chunk in response])

    return read


@pytest.fixture
def answering() -> Callable[[bytes], Script]:
    """A script that gives every request the same answer and keeps the connection."""

    def answering(answer: bytes) -> Script:
        async def script(peer: Peer) -> None:
            while True:
                await peer.request()
                await peer.send(answer)

        return script

    return answering
