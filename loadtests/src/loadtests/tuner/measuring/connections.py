"""The second generator's connections: plain HTTP/1.1 on asyncio's sockets, kept and taken in turn."""

import asyncio
import re
from collections import deque
from collections.abc import Mapping

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_CLOSES = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
_EMPTY = {b"204", b"304"}

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Connections:
    """New ones are made until `spread` take turns, and up to `most` where all are busy."""

    def __init__(self, port: int, spread: int, most: int) -> None:
        self.opened = 0
        self._port, self._spread = port, spread
        self._room = asyncio.Semaphore(most)
        self._idle: deque[Connection] = deque()
        self._kept = 0

    async def exchange(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], *, last: bool
    ) -> tuple[int, bytes]:
        """Status and content; `last` closes the connection. Raises OSError, EOFError, ValueError."""
        message = self._message(method, path, body, headers, last=last)
        async with self._room:
            fresh = self._kept < self._spread or not self._idle
            connection = await self._open() if fresh else self._idle.popleft()
            try:
                head, content = await self._ask(connection, message)
            except (OSError, asyncio.IncompleteReadError) as error:
                begun = isinstance(error, asyncio.IncompleteReadError) and bool(error.partial)
                if fresh or begun:
                    raise
                connection = await self._open()  # the server had closed what was idle
                head, content = await self._ask(connection, message)
            if last or _CLOSES.search(head):
                self._drop(connection)
            else:
                self._idle.append(connection)
        return int(head[9:12]), content

    def close(self) -> None:
        while self._idle:
            self._drop(self._idle.popleft())

    async def _open(self) -> Connection:
        self._kept += 1  # before it is there, so that no others are opened in its place
        try:
            connection = await asyncio.open_connection("127.0.0.1", self._port)
        except BaseException:
            self._kept -= 1
            raise
        self.opened += 1
        return connection

    def _drop(self, connection: Connection) -> None:
        self._kept -= 1
        connection[1].close()

    async def _ask(self, connection: Connection, message: bytes) -> tuple[bytes, bytes]:
        """A connection on which this fails, or is given up, is not used again."""
        reader, writer = connection
        try:
            writer.write(message)
            head = await reader.readuntil(b"\r\n\r\n")
            return head, await _content(reader, head)
        except BaseException:
            self._drop(connection)
            raise

    def _message(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], *, last: bool
    ) -> bytes:
        sent = {"host": f"127.0.0.1:{self._port}", **headers}
        if last:
            sent["connection"] = "close"
        if body is not None or method != "GET":
            sent["content-length"] = str(len(body or b""))
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items()), "", ""]
        return "\r\n".join(lines).encode() + (body or b"")


async def _content(reader: asyncio.StreamReader, head: bytes) -> bytes:
    if head[9:12] in _EMPTY:
        return b""
    if length := _LENGTH.search(head):
        return await reader.readexactly(int(length[1]))
    if not _CHUNKED.search(head):
        return await reader.read(-1)
    content = b""
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        content += (await reader.readexactly(size + 2))[:-2]
    await reader.readuntil(b"\r\n")
    return content
