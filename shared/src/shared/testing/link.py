"""A TCP link to a server that tests can slow down, cut or refuse, without touching the server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from sqlalchemy import make_url

CHUNK = 65_536


class Link:
    """Whoever connects to `port` reaches the Unix socket `target`."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._connected = asyncio.Event()
        self._connected.set()
        self._delay = 0.0
        self.port = 0

    async def heal(self) -> None:
        """As it was at the beginning. What was held back while it was cut arrives."""
        self._delay = 0.0
        self._connected.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def slow(self, seconds: float) -> None:
        """Each answer comes that much later."""
        self._delay = seconds

    async def cut(self) -> None:
        """Nothing arrives, in either direction, and neither side is told: as when a cable is pulled."""
        self._connected.clear()

    async def refuse(self) -> None:
        """As if the server had stopped: connections are reset, and new ones are refused."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._open):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            behind, to_server = await asyncio.open_unix_connection(str(self._target))
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, to_server}
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(reader, to_server, late=False))
                both.create_task(self._pump(behind, writer, late=True))
        except* (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open -= {writer, to_server}
            writer.close()
            to_server.close()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, late: bool) -> None:
        while chunk := await source.read(CHUNK):
            if late and self._delay:
                await asyncio.sleep(self._delay)
            await self._connected.wait()
            sink.write(chunk)
            await sink.drain()
        sink.transport.abort()  # one side has gone, so the other has to go too


@contextlib.asynccontextmanager
async def link(target: Path) -> AsyncIterator[Link]:
    made = Link(target)
    await made.heal()
    try:
        yield made
    finally:
        await made.heal()
        await made.refuse()


def postgres_socket(database_url: str) -> Path:
    """The Unix socket of an embedded Postgres."""
    return Path(str(make_url(database_url).query["host"])) / ".s.PGSQL.5432"
