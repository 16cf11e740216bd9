"""Clients that misuse HTTP as fast as they can: `python abuse.py KIND SECONDS PORT …`.

When the time is over it prints how many connections it opened and how many bytes it sent.
"""

import asyncio
import contextlib
import itertools
import json
import resource
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable

SOURCE = ("127.0.0.2", 0)  # not the address of the client that behaves well
GET = b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n"
LARGE = b"/openapi.json"  # what each service has, without asking a database
CHUNKED = b"POST /users HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


class Connection:
    """Raises OSError when the other side ends it."""

    def __init__(self, raw: socket.socket) -> None:
        self._raw = raw
        self._loop = asyncio.get_running_loop()
        self.sent = 0

    async def send(self, data: bytes) -> None:
        await self._loop.sock_sendall(self._raw, data)
        self.sent += len(data)

    async def read(self, size: int) -> bytes:
        data = await self._loop.sock_recv(self._raw, size)
        if not data:
            raise ConnectionResetError
        return data

    async def drain(self) -> None:
        while True:
            await self.read(1 << 16)


async def pipelines(connection: Connection) -> None:
    """Thousands of requests in one go; the answers are read."""
    many = (GET % b"/health" + GET % b"/nowhere") * 1000
    await _while_draining(connection, many)


async def unread_pipelines(connection: Connection) -> None:
    """As many requests as are taken; no answer is read."""
    await _endless(connection, GET % LARGE * 1000)


async def trailers(connection: Connection) -> None:
    """A chunked body that ends, and trailers that do not."""
    await connection.send(CHUNKED + b"2\r\n{}\r\n0\r\n")
    await _while_draining(connection, b"X-Trailer: and another one\r\n" * 100)


async def half_heads(connection: Connection) -> None:
    """A head that is almost as long as it may be, and no end of it."""
    await connection.send(b"GET /items HTTP/1.1\r\nX-Long: " + b"a" * 30_000)
    await connection.drain()


async def slow_readers(connection: Connection) -> None:
    """Large answers, of which a byte is read now and then."""
    await connection.send(GET % LARGE * 8)
    while True:
        await connection.read(1)
        await asyncio.sleep(0.5)


async def idle(connection: Connection) -> None:
    """A connection and nothing else."""
    await connection.drain()


async def _endless(connection: Connection, data: bytes) -> None:
    while True:
        await connection.send(data)


async def _while_draining(connection: Connection, data: bytes) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(connection.drain())
            group.create_task(_endless(connection, data))
    except* OSError:
        raise ConnectionResetError from None


Kind = Callable[[Connection], Awaitable[None]]
KINDS: dict[str, tuple[Kind, int]] = {  # with how many of them there are at a time
    "idle": (idle, 2000),
    "half_heads": (half_heads, 300),
    "slow_readers": (slow_readers, 100),
    "unread_pipelines": (unread_pipelines, 64),
    "pipelines": (pipelines, 16),
    "trailers": (trailers, 16),
}


@contextlib.asynccontextmanager
async def connected(port: int) -> AsyncIterator[Connection]:
    with socket.socket() as raw:
        raw.setblocking(False)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        raw.bind(SOURCE)
        await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", port))
        yield Connection(raw)


async def abuse(kind: str, seconds: float, ports: list[int]) -> dict[str, int]:
    behave, number = KINDS[kind]
    done = {"connections": 0, "bytes": 0}

    async def once(port: int) -> None:
        async with connected(port) as connection:
            done["connections"] += 1
            try:
                await behave(connection)
            finally:
                done["bytes"] += connection.sent

    async def again_and_again(first: int) -> None:
        turns = itertools.islice(itertools.cycle(ports), first, None)
        while (left := end - time.monotonic()) > 0:
            with contextlib.suppress(OSError):  # TimeoutError is one
                await asyncio.wait_for(once(next(turns)), left)
            await asyncio.sleep(0)  # also where nobody listens

    end = time.monotonic() + seconds
    await asyncio.gather(*(again_and_again(first) for first in range(number)))
    return done


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    given, duration, *listeners = sys.argv[1:]
    print(json.dumps(asyncio.run(abuse(given, float(duration), [int(port) for port in listeners]))))  # noqa: T201 - its answer
