"""Scripted upstreams on real sockets, pools that must leave nothing behind, both event loops."""

import asyncio
import contextlib
import gc
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import pytest
import pytest_asyncio
import uvloop

from gateway.call import Call
from gateway.upstreams import Upstream
from gateway.wire.exceptions import UpstreamBroken


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
    def __call__(self, upstream: ScriptedUpstream | str, **settings: Any) -> Upstream: ...


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


@pytest.fixture(scope="module", autouse=True)
def known_objects() -> None:
    """What is there before the first test; else `make_pool` would look through all of it after each one."""
    gc.collect()
    gc.freeze()


@pytest_asyncio.fixture(loop_scope="function")
async def make_pool(start_upstream: StartUpstream) -> AsyncIterator[MakePool]:
    """Pools that are closed after the test and must have lost no slot and no exception by then."""
    loop = asyncio.get_running_loop()
    unretrieved: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _loop, context: unretrieved.append(context))
    pools: list[Upstream] = []

    def make(upstream: ScriptedUpstream | str, **settings: Any) -> Upstream:
        url = upstream if isinstance(upstream, str) else upstream.url
        pools.append(Upstream("gems", [url], **settings))
        return pools[-1]

    yield make
    for pool in pools:
        await pool.close(grace=0)
        assert pool.stats == (0, 0, 0, 0)
    gc.collect()
    assert unretrieved == []


class Response:
    """An answer as it comes, with its body in a buffer that holds the upstream back."""

    def __init__(self, call: "Asking", status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.status = status
        self.headers = headers
        self.buffered = 0
        self._call = call
        self._chunks: list[bytes] = []
        self._ended = False
        self._error: Exception | None = None
        self._news = asyncio.Event()

    def push(self, data: bytes) -> None:
        self._chunks.append(data)
        self.buffered += len(data)
        if self.buffered > 256 * 1024:
            self._call.pause()
        self._news.set()

    def end(self, error: Exception | None = None) -> None:
        self._ended, self._error = True, error
        self._news.set()

    @property
    def complete_body(self) -> bytes | None:
        return b"".join(self._chunks) if self._ended and self._error is None else None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while True:
                if self._chunks:
                    piece, self._chunks, self.buffered = b"".join(self._chunks), [], 0
                    self._call.resume()
                    if piece:
                        yield piece
                elif self._error is not None:
                    raise self._error
                elif self._ended:
                    return
                else:
                    self._news.clear()
                    await self._news.wait()
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        self._call.stop()
        if not self._ended:
            self.end(UpstreamBroken("gems", "given up"))

    async def __aenter__(self) -> "Response":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class Asking(Call):
    """A call whose body comes from a test and whose answer is awaited by it."""

    def __init__(self, upstream: Upstream, method: bytes, target: bytes) -> None:
        super().__init__(upstream, method, target)
        self.result: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._response: Response | None = None
        self._sender: asyncio.Task[None] | None = None
        self._room = asyncio.Event()

    def stream(self, body: AsyncIterator[bytes]) -> None:
        self._sender = asyncio.create_task(self._send(body))

    async def _send(self, body: AsyncIterator[bytes]) -> None:
        async with contextlib.aclosing(body):  # type: ignore[type-var]  # tests give generators
            async for chunk in body:
                await asyncio.sleep(0)  # a body without an end must not keep the loop from hearing of a reset
                await self._writable()
                if not chunk:
                    continue
                self.send(b"%x\r\n%b\r\n" % (len(chunk), chunk) if self.length is None else chunk, last=False)
            await self._writable()
            self.sent = True
            self.send(b"0\r\n\r\n" if self.length is None else b"", last=True)

    async def _writable(self) -> None:
        while not self.writable:
            self._room.clear()
            await self._room.wait()

    def may_send(self) -> None:
        self._room.set()

    async def settle(self) -> None:
        """Waits for the end of a sender that was cancelled."""
        if self._sender is not None and self._sender.cancelling():
            await asyncio.wait([self._sender])

    def stop(self) -> None:
        if self._sender is not None:
            self._sender.cancel()
        self.cancel()

    def answered(self, status, headers, _length, body, *, complete) -> None:
        self.note_answer(complete=complete)
        self._response = Response(self, status, headers)
        if body:
            self._response.push(body)
        if complete:
            self.completed()
        elif status >= 300 and self._sender is not None:
            self._sender.cancel()
        if not self.result.done():
            self.result.set_result(self._response)

    def received(self, data: bytes) -> None:
        assert self._response is not None
        self._response.push(data)

    def completed(self) -> None:
        assert self._response is not None
        self._response.end()
        if self._sender is not None:
            self._sender.cancel()

    def gave_up(self, error: Exception) -> None:
        if self._sender is not None:
            self._sender.cancel()
        if self._response is not None:
            self._response.end(error)
        elif not self.result.done():
            self.result.set_exception(error)


class Ask(Protocol):
    async def __call__(self, pool: Upstream, method: bytes = b"GET", **more: Any) -> Response: ...


@pytest.fixture
def ask() -> Ask:
    """A request of which only what matters to the test need be said."""

    async def ask(pool: Upstream, method: bytes = b"GET", **more: Any) -> Response:
        call = Asking(pool, method, more.get("target", b"/gems"))
        body, headers = more.get("body"), more.get("headers", [])
        whole = body is None or isinstance(body, bytes)
        declared = [int(value) for name, value in headers if name == b"content-length"]
        call.begin(
            [name + b": " + value for name, value in headers if name != b"content-length"],
            (body or b"") if whole else b"",
            length=len(body or b"") if whole else next(iter(declared), None),
            sent=whole,
            first_byte_timeout=more.get("first_byte_timeout", 10.0),
            total_by=asyncio.get_running_loop().time() + more.get("total_timeout", 30.0),
        )
        if not whole:
            call.stream(body)
        try:
            return await call.result
        except BaseException:
            call.stop()
            raise
        finally:
            await call.settle()

    return ask


@pytest.fixture
def read() -> Callable[[Response], Awaitable[bytes]]:
    """The whole body, by iteration."""

    async def read(response: Response) -> bytes:
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
