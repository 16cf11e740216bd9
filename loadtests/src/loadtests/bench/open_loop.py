"""Open-loop load: requests start on a schedule, and latency counts from the intended start.

Run as a program by the interpreter of our services, for uvloop: a spare connection takes each request, and
one that finds none waits, which its latency shows. It sleeps between requests: the upstream shares its core.
"""

import asyncio
import json
import math
import random
import signal
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial
from operator import attrgetter
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
    """Requests in turn over its own connections. Poisson's arrivals are the same to all for the same seed."""

    def __init__(self, stream: Mapping[str, Any]) -> None:
        """`stream` is a `Stream` of `offered.py`."""
        self._stream = stream
        self._requests = [request.encode("latin-1") for request in stream["requests"]]
        self._rate = stream["rate"]
        self._draw = random.Random(stream["seed"])  # noqa: S311 - a schedule
        self._turn = 0
        self._waiting: deque[float] = deque()
        self.due = self._end = math.inf
        self.spare: list[Connection] = []
        self.latencies: list[float] = []
        self.begun = 0
        self.failed = 0
        self.lost = 0

    def start(self, at: float) -> None:
        self.due = at + self._stream["delay"]
        self._end = self.due + self._stream["seconds"]

    def begin_due(self) -> None:
        self.begun += 1
        self._begin(self.due)
        self.due += self._draw.expovariate(self._rate)
        if self.due >= self._end:
            self.due = math.inf

    def _begin(self, intended: float) -> None:
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
            self._begin(self._waiting.popleft())

    @property
    def complete(self) -> bool:
        return len(self.latencies) + self.failed >= self.begun

    def result(self) -> dict[str, Any]:
        failed = self.begun - len(self.latencies) + self.lost
        found = sorted(self.latencies) or [GRACE]
        last = len(found) - 1
        percentiles = {
            name: found[min(int(len(found) * share), last)] * 1000
            for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999))
        }
        return {"answered": len(self.latencies), "failed": failed, **percentiles}


class Schedule:
    """Begins what is due of each load.

    An event loop's timers have milliseconds: several requests would start at once, or the loop would run
    without a pause. The alarm of the kernel has microseconds.
    """

    def __init__(self, loads: Sequence[Load]) -> None:
        self._loads = loads
        self.finished = asyncio.Event()

    def begin(self) -> None:
        """All that are due; the alarm calls it again."""
        while (load := min(self._loads, key=attrgetter("due"))).due <= time.monotonic():
            load.begin_due()
        if load.due < math.inf:
            signal.setitimer(signal.ITIMER_REAL, max(load.due - time.monotonic(), SOONEST))
        else:
            self.finished.set()


async def run(
    port: int, streams: Sequence[Mapping[str, Any]], connections: int, start: float = 0.0
) -> list[dict[str, Any]]:
    """A sample of each stream."""
    loop, loads = asyncio.get_running_loop(), [Load(stream) for stream in streams]
    for load in loads:
        for _ in range(connections):
            await loop.create_connection(partial(Connection, load), "127.0.0.1", port)
    begin = max(start, time.monotonic())  # not before all are connected, or what is due begins late
    for load in loads:
        load.start(begin)
    schedule = Schedule(loads)
    loop.add_signal_handler(signal.SIGALRM, schedule.begin)
    schedule.begin()
    await schedule.finished.wait()
    until = time.monotonic() + GRACE
    while not all(load.complete for load in loads) and time.monotonic() < until:  # noqa: ASYNC110 - the hot path counts
        await asyncio.sleep(0.01)
    found = [load.result() for load in loads]
    for load in loads:
        for connection in load.spare:
            connection.transport.abort()
    return found


def main() -> None:
    """Arguments: port, file of streams (JSON), connections for each stream, start (of the monotonic clock).

    Prints a sample of each stream as JSON.
    """
    port, path, connections, start = sys.argv[1:]
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - a program of its own, no more than it needs
        streams = json.load(file)
    import uvloop  # type: ignore[import-not-found]  # noqa: PLC0415 - only its interpreter has it

    print(json.dumps(uvloop.run(run(int(port), streams, int(connections), float(start)))))  # noqa: T201 - the result


if __name__ == "__main__":
    main()
