"""A server of known capacity, to calibrate the generator with: `python -m loadtests.tuner.measuring.stub`.

With `--each 0.004` it answers one request every 4 ms, 250 a second, and uses hardly any CPU for it. With
`--stall-at 0.5` it does nothing for one second, half a second after the first request.
"""

import argparse
import asyncio
import signal
import time
from typing import cast

STALL = 1.0  # seconds
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
_END = b"\r\n\r\n"


class Stub:
    """One server for all connections: it begins a request when the one before it has ended."""

    def __init__(self, each: float, stall_at: float | None) -> None:
        self.each, self.stall_at = each, stall_at
        self._free = 0.0
        self._first: float | None = None

    def answer(self, transport: asyncio.Transport, requests: int) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._stall(now)
        if not self.each:
            transport.write(_ANSWER * requests)
            return
        for _ in range(requests):
            self._free = max(now, self._free) + self.each
            loop.call_at(self._free, transport.write, _ANSWER)

    def _stall(self, now: float) -> None:
        self._first = self._first if self._first is not None else now
        if self.stall_at is not None and now >= self._first + self.stall_at:
            self.stall_at = None
            time.sleep(STALL)  # the whole process, as a stalled server does


class Connection(asyncio.Protocol):
    def __init__(self, stub: Stub) -> None:
        self._stub = stub
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # that is what a TCP server gets

    def data_received(self, data: bytes) -> None:
        *complete, self._rest = (self._rest + data).split(_END)
        if complete:
            self._stub.answer(self._transport, len(complete))


async def serve(port: int, stub: Stub) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    server = await loop.create_server(lambda: Connection(stub), "127.0.0.1", port, backlog=2048)
    await ended.wait()
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--each", type=float, default=0.0, help="seconds of each request")
    parser.add_argument("--stall-at", type=float, help="seconds after the first request")
    options = parser.parse_args()
    asyncio.run(serve(options.port, Stub(options.each, options.stall_at)))


if __name__ == "__main__":
    main()
