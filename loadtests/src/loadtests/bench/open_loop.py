"""Open-loop load: requests start on a schedule, and latency counts from the intended start.

Run as a program by the interpreter of our services, for uvloop: a spare connection takes each request, and
one that finds none waits, which its latency shows. It sleeps between requests: the upstream shares its core.
"""

import asyncio
import json
import random
import signal
import sys
import time
from collections import deque
from typing import Any

HEAD_END = b"\r\n\r\n"
LENGTH = b"\r\ncontent-length: "
GRACE = 5.0  # seconds that answers may take after the last request
SOONEST = 1e-6  # seconds: an alarm of 0 never comes


class Connection(asyncio.Protocol):
    """One request at a time; `load` is told when its answer is complete."""

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._received = b""
        self._intended = 0.0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._load.spare.append(self)

    def send(self, request: bytes, intended: float) -> None:
        self._intended, self._received = intended, b""
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(HEAD_END)
        if end < 0:
            return
        head = self._received[:end].lower()
        length = int(head.partition(LENGTH)[2].partition(b"\r\n")[0] or 0)
        if len(self._received) >= end + len(HEAD_END) + length:
            self._load.answered(self, self._intended, good=head.startswith(b"http/1.1 2"))

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._load.lost += 1


class Load:
    def __init__(self, requests: list[bytes]) -> None:
        self._requests = requests
        self._turn = 0
        self._waiting: deque[float] = deque()
        self.spare: list[Connection] = []
        self.latencies: list[float] = []
        self.failed = 0
        self.lost = 0

    def begin(self, intended: float) -> None:
        if not self.spare:
            self._waiting.append(intended)
            return
        self._turn = (self._turn + 1) % len(self._requests)
        self.spare.pop().send(self._requests[self._turn], intended)

    def answered(self, connection: Connection, intended: float, *, good: bool) -> None:
        if good:
            self.latencies.append(time.monotonic() - intended)
        else:
            self.failed += 1
        self.spare.append(connection)
        if self._waiting:
            self.begin(self._waiting.popleft())


class Schedule:
    """Poisson's arrivals, the same for every server that is given the same seed.

    An event loop's timers have milliseconds: several requests would start at once, or the loop would run
    without a pause. The alarm of the kernel has microseconds.
    """

    def __init__(self, load: Load, rate: float, seconds: float, start: float, seed: int) -> None:
        self._load = load
        self._rate = rate
        self._draw = random.Random(seed)  # noqa: S311 - a schedule
        self._due = start
        self._end = self._due + seconds
        self.begun = 0
        self.finished = asyncio.Event()

    def begin(self) -> None:
        """All that are due; the alarm calls it again."""
        while self._due <= time.monotonic() and self._due < self._end:
            self._load.begin(self._due)
            self.begun += 1
            self._due += self._draw.expovariate(self._rate)
        if self._due < self._end:
            signal.setitimer(signal.ITIMER_REAL, max(self._due - time.monotonic(), SOONEST))
        else:
            self.finished.set()


async def run(
    port: int,
    requests: list[bytes],
    rate: float,
    seconds: float,
    connections: int,
    start: float = 0.0,
    seed: int = 1,
) -> dict[str, Any]:
    load, loop = Load(requests), asyncio.get_running_loop()
    for _ in range(connections):
        await loop.create_connection(lambda: Connection(load), "127.0.0.1", port)
    schedule = Schedule(load, rate, seconds, max(start, time.monotonic()), seed)
    loop.add_signal_handler(signal.SIGALRM, schedule.begin)
    schedule.begin()
    await schedule.finished.wait()
    count = schedule.begun
    until = time.monotonic() + GRACE
    while len(load.latencies) + load.failed < count and time.monotonic() < until:  # noqa: ASYNC110 - the hot path counts
        await asyncio.sleep(0.01)
    failed = count - len(load.latencies) + load.lost
    for connection in load.spare:
        connection.transport.abort()
    found = sorted(load.latencies) or [GRACE]
    last = len(found) - 1
    percentiles = {
        name: found[min(int(len(found) * share), last)] * 1000
        for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999))
    }
    return {"answered": len(load.latencies), "failed": failed, **percentiles}


def main() -> None:
    """Arguments: port, file of requests (JSON), rate, seconds, connections, start (of the monotonic clock),
    seed of the arrivals.

    Prints a sample as JSON.
    """
    port, path, *numbers, seed = sys.argv[1:]
    rate, seconds, connections, start = map(float, numbers)
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - a program of its own, no more than it needs
        requests = [request.encode("latin-1") for request in json.load(file)]
    import uvloop  # type: ignore[import-not-found]  # noqa: PLC0415 - only its interpreter has it

    found = uvloop.run(run(int(port), requests, rate, seconds, int(connections), start, int(seed)))
    print(json.dumps(found))  # noqa: T201 - the result


if __name__ == "__main__":
    main()
