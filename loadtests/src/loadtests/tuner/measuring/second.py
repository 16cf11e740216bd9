"""A second load generator, which shares nothing with the first but the requests: asyncio and plain sockets.

A capacity that one generator found is checked with the other. What it puts on the target is of the same kind:
Poisson arrivals, on as many kept connections that take turns, of which as many are closed.
"""

import asyncio
import json
import random
import sys
from dataclasses import asdict, dataclass, field
from typing import Any

from loadtests.tuner.histogram import Histogram
from loadtests.tuner.measuring.connections import Connections
from loadtests.tuner.measuring.load import RECYCLE, Load, more_files
from loadtests.tuner.measuring.requests import Filler, Request


@dataclass(slots=True)
class Answers:
    """`late` are seconds from when a request was due to when it was begun, the worst of all."""

    due: int = 0
    failed: int = 0
    late: float = 0.0
    opened: int = 0  # connections
    latencies: dict[str, int] = field(default_factory=dict)

    @property
    def histogram(self) -> Histogram:
        return Histogram({int(bucket): count for bucket, count in self.latencies.items()})

    def slow(self, seconds: float) -> float:
        """The share that was not answered well within so many seconds."""
        return (self.histogram.slower_than(seconds) + self.failed) / max(1, self.due)


async def run(load: Load) -> Answers:
    loop, answers = asyncio.get_running_loop(), Answers()
    source = random.Random(f"{load.seed}-second")  # noqa: S311 - load, not secrets
    filler = Filler(load.requests, load.values, source, load.count)
    connections = Connections(load.port, load.spread, load.connections)
    begun, latencies = loop.time() + 0.1, list[float]()
    tasks = []
    for moment in _moments(load, source):
        due = begun + moment
        await asyncio.sleep(max(0.0, due - loop.time()))
        answers.late = max(answers.late, loop.time() - due)
        tasks.append(asyncio.create_task(_latency(load, filler, connections, due)))
    for task in tasks:
        latency = await task
        if latency is None:
            answers.failed += 1
        else:
            latencies.append(latency)
    connections.close()
    answers.due, answers.opened = len(tasks), connections.opened
    answers.latencies = {str(bucket): count for bucket, count in Histogram.of(latencies).counts.items()}
    return answers


def _moments(load: Load, source: random.Random) -> list[float]:
    """Seconds from the start at which requests are due; exactly as many as the rate says."""
    if load.even:
        return [turn / load.rate for turn in range(load.count)]
    return sorted(source.uniform(0, load.seconds) for _ in range(load.count))


async def _latency(load: Load, filler: Filler, connections: Connections, due: float) -> float | None:
    """Seconds from when it was due; None for a wrong answer or none."""
    request, path, body, headers = filler.next()
    last = filler.source.random() < RECYCLE
    try:
        async with asyncio.timeout(load.patience):
            status, content = await connections.exchange(request.method, path, body, headers, last=last)
    except (OSError, TimeoutError, ValueError, EOFError):
        return None
    good = status == request.status and request.contains.encode() in content
    return asyncio.get_running_loop().time() - due if good else None


def main() -> None:
    given: dict[str, Any] = json.load(sys.stdin)
    load = Load(**{**given, "requests": [Request(**request) for request in given["requests"]]})
    more_files()
    json.dump(asdict(asyncio.run(run(load))), sys.stdout)


if __name__ == "__main__":
    main()
