"""Open-loop load: requests start on a schedule, and latency counts from the intended start.

Run as a program of its own: a spare connection takes each request, and one that finds none waits, which its
latency shows. It sleeps between requests, and there is no event loop: the upstream shares its core.
"""

import contextlib
import ctypes
import gc
import json
import math
import random
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from operator import attrgetter
from statistics import median
from typing import Any

HEAD_END = b"\r\n\r\n"
LENGTH = b"\r\ncontent-length: "
TENTH = 0.1  # seconds
ENOUGH = 100  # answers in a tenth of a second, to speak of its p99
GRACE = 5.0  # seconds that answers may take after the last request
TIMER_SLACK = 29  # of prctl(2): the kernel may wake us so many nanoseconds late, 50,000 if not told otherwise


class Connection:
    """One request at a time; `load` is told when its answer is complete."""

    __slots__ = ("_intended", "_load", "_received", "_socket")

    def __init__(self, load: "Load", connected: socket.socket) -> None:
        self._load = load
        self._socket = connected
        self._received = b""
        self._intended = 0.0

    def send(self, request: bytes, intended: float) -> None:
        self._intended, self._received = intended, b""
        try:
            self._socket.sendall(request)  # into an empty buffer: nothing was sent since the last answer
        except OSError:
            return  # `read` is told, too

    def read(self) -> bool:
        """False once there is nothing more to come."""
        try:
            data = self._socket.recv(65536)
        except OSError:
            data = b""
        if not data:
            self._load.lost += 1
            return False
        self._received += data
        end = self._received.find(HEAD_END)
        if end >= 0:
            head = self._received[:end].lower()
            length = int(head.partition(LENGTH)[2].partition(b"\r\n")[0] or 0)
            if len(self._received) >= end + len(HEAD_END) + length:
                self._load.answered(self, self._intended, good=head.startswith(b"http/1.1 2"))
        return True


def percentile(ascending: Sequence[float], share: float) -> float:
    return ascending[min(int(len(ascending) * share), len(ascending) - 1)]


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
        self._intended: list[float] = []
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
            self.noted(intended, time.monotonic() - intended)
        else:
            self.failed += 1
        self.spare.append(connection)
        if self._waiting:
            self._begin(self._waiting.popleft())

    def noted(self, intended: float, latency: float) -> None:
        """A good answer, of a request that was due at `intended`."""
        self._intended.append(intended)
        self.latencies.append(latency)

    @property
    def complete(self) -> bool:
        return len(self.latencies) + self.failed >= self.begun

    def result(self) -> dict[str, Any]:
        failed = self.begun - len(self.latencies) + self.lost
        found = sorted(self.latencies) or [GRACE]
        percentiles = {
            name: percentile(found, share) * 1000
            for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999))
        }
        percentiles["p99_tenth"] = self._tenth() or percentiles["p99"]
        return {"answered": len(self.latencies), "failed": failed, **percentiles}

    def _tenth(self) -> float | None:
        """The p99 of the median tenth of a second, in milliseconds: pauses of the machine are in others."""
        tenths: dict[int, list[float]] = {}
        for intended, latency in zip(self._intended, self.latencies, strict=True):
            tenths.setdefault(int(intended / TENTH), []).append(latency)
        every = [percentile(sorted(one), 0.99) for one in tenths.values() if len(one) >= ENOUGH]
        return median(every) * 1000 if every else None


def offer(loads: Sequence[Load], connections: Mapping[int, Connection], poller: select.epoll) -> None:
    """Until all is answered, or `GRACE` after the last request."""
    until = math.inf
    while True:
        while (load := min(loads, key=attrgetter("due"))).due <= (now := time.monotonic()):
            load.begin_due()
        if load.due == math.inf:
            until = min(until, now + GRACE)
            if now > until or all(one.complete for one in loads):
                return
        # epoll's own timeout has milliseconds.
        if select.select([poller], [], [], min(load.due, until) - now)[0]:
            for number, _ in poller.poll(0):
                if not connections[number].read():
                    poller.unregister(number)


def run(
    port: int, streams: Sequence[Mapping[str, Any]], connections: int, start: float = 0.0
) -> list[dict[str, Any]]:
    """A sample of each stream."""
    loads, opened = [Load(stream) for stream in streams], {}
    with select.epoll() as poller, contextlib.ExitStack() as stack:
        for load in loads:
            for _ in range(connections):
                connected = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection = opened[connected.fileno()] = Connection(load, connected)
                load.spare.append(connection)
                poller.register(connected, select.EPOLLIN)
        begin = max(start, time.monotonic())  # not before all are connected, or what is due begins late
        for load in loads:
            load.start(begin)
        offer(loads, opened, poller)
    return [load.result() for load in loads]


def main() -> None:
    """Arguments: port, file of streams (JSON), connections for each stream, start (of the monotonic clock).

    Prints a sample of each stream as JSON.
    """
    port, path, connections, start = sys.argv[1:]
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - a program of its own, no more than it needs
        streams = json.load(file)
    ctypes.CDLL(None).prctl(TIMER_SLACK, 1, 0, 0, 0)
    gc.disable()
    print(json.dumps(run(int(port), streams, int(connections), float(start))))  # noqa: T201 - the result


if __name__ == "__main__":
    main()
