"""A second load generator, which shares nothing with the first but the requests: asyncio and plain sockets.

A capacity that one generator found is checked with the other. The schedule is constant; each request has a
connection of its own, so that nothing waits for a free one.
"""

import asyncio
import json
import random
import re
import sys
from dataclasses import asdict, dataclass, field
from typing import Any

from loadtests.tuner.histogram import Histogram
from loadtests.tuner.measuring.load import Load
from loadtests.tuner.measuring.requests import Filler, Request

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(slots=True)
class Answers:
    """`late` are seconds from when a request was due to when it was begun, the worst of all."""

    due: int = 0
    failed: int = 0
    late: float = 0.0
    latencies: dict[str, int] = field(default_factory=dict)

    @property
    def histogram(self) -> Histogram:
        return Histogram({int(bucket): count for bucket, count in self.latencies.items()})

    def slow(self, seconds: float) -> float:
        """The share that was not answered well within so many seconds."""
        return (self.histogram.slower_than(seconds) + self.failed) / max(1, self.due)


async def run(load: Load) -> Answers:
    loop, answers = asyncio.get_running_loop(), Answers()
    filler = Filler(load.requests, load.values, random.Random(load.seed))  # noqa: S311 - load, not secrets
    begun, latencies = loop.time() + 0.1, list[float]()
    tasks = []
    for turn in range(round(load.rate * load.seconds)):
        due = begun + turn / load.rate
        await asyncio.sleep(max(0.0, due - loop.time()))
        answers.late = max(answers.late, loop.time() - due)
        tasks.append(asyncio.create_task(_latency(load, filler, due)))
    for task in tasks:
        latency = await task
        if latency is None:
            answers.failed += 1
        else:
            latencies.append(latency)
    answers.due = len(tasks)
    answers.latencies = {str(bucket): count for bucket, count in Histogram.of(latencies).counts.items()}
    return answers


async def _latency(load: Load, filler: Filler, due: float) -> float | None:
    """Seconds from when it was due; None for a wrong answer or none."""
    request, path, body, headers = filler.next()
    try:
        async with asyncio.timeout(load.patience):
            head, content = await _exchange(load.port, request.method, path, body, dict(headers))
    except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
        return None
    good = head.startswith(b"HTTP/1.") and head[9:12] == str(request.status).encode()
    return asyncio.get_running_loop().time() - due if good and request.contains.encode() in content else None


async def _exchange(
    port: int, method: str, path: str, body: bytes | None, headers: dict[str, str]
) -> tuple[bytes, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        sent = {"host": f"127.0.0.1:{port}", "connection": "close", **headers}
        if body is not None or method != "GET":
            sent["content-length"] = str(len(body or b""))
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items()), "", ""]
        writer.write("\r\n".join(lines).encode() + (body or b""))
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        content = await (reader.readexactly(int(length[1])) if length else reader.read(-1))
    finally:
        writer.close()
    return head, content


def main() -> None:
    given: dict[str, Any] = json.load(sys.stdin)
    load = Load(**{**given, "requests": [Request(**request) for request in given["requests"]]})
    json.dump(asdict(asyncio.run(run(load))), sys.stdout)


if __name__ == "__main__":
    main()
