"""From protocol to protocol and nothing else: no token, no log, no limit, no deadline. The limit of this way.

Run as a program: `bare_protocol_proxy.py PORT`.
"""

import asyncio
import sys
from typing import Any

import httptools
import uvloop
from bare_upstream import ADDRESS, Pool


class Client(asyncio.Protocol):
    """One request of a client at a time, its body read whole."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._fields: list[bytes] = []
        self._body = b""

    def on_url(self, url: bytes) -> None:
        self._url = url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() != b"host":
            self._fields.append(name + b": " + value + b"\r\n")

    def on_body(self, body: bytes) -> None:
        self._body = self._body + body if self._body else body

    def on_message_complete(self) -> None:
        method, host = self._parser.get_method(), ADDRESS.netloc.encode()
        head = b"%b %b HTTP/1.1\r\nhost: %b\r\n%b\r\n" % (method, self._url, host, b"".join(self._fields))
        self._pool.send(head + self._body, self._answer)

    def _answer(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        fields = b"".join([name + b": " + value + b"\r\n" for name, value in headers])
        self._transport.write(b"HTTP/1.1 %d \r\n%b\r\n%b" % (status, fields, body))


async def main(port: int) -> None:
    pool = Pool()
    server = await asyncio.get_running_loop().create_server(lambda: Client(pool), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
