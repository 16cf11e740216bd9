"""Keep-alive connections to the upstream as a bare `asyncio.Protocol`, for proxies without features."""

import asyncio
import os
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httptools

ADDRESS = urlsplit(os.environ["PEER_UPSTREAM_URL"])
Answered = Callable[[int, list[tuple[bytes, bytes]], bytes], None]


class Upstream(asyncio.Protocol):
    """One request at a time; its answer is handed over whole: status, headers, body."""

    def __init__(self, idle: "list[Upstream]") -> None:
        self._idle = idle

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def send(self, request: bytes, answered: Answered) -> None:
        self._answered = answered
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = b""
        self._parser = httptools.HttpResponseParser(self)
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        self._body = self._body + body if self._body else body

    def on_message_complete(self) -> None:
        self._idle.append(self)
        self._answered(self._parser.get_status_code(), self._headers, self._body)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if self in self._idle:
            self._idle.remove(self)


class Pool:
    """Connections that are idle, and new ones where there are none."""

    def __init__(self) -> None:
        self._idle: list[Upstream] = []

    def send(self, request: bytes, answered: Answered) -> None:
        if self._idle:
            self._idle.pop().send(request, answered)
        else:
            task = asyncio.ensure_future(self._connect(request, answered))
            task.add_done_callback(asyncio.Task.result)

    async def _connect(self, request: bytes, answered: Answered) -> None:
        loop = asyncio.get_running_loop()
        address = ADDRESS.hostname, ADDRESS.port
        _, connection = await loop.create_connection(lambda: Upstream(self._idle), *address)
        connection.send(request, answered)
