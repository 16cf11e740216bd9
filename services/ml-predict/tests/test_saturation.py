"""Five times more work than one worker can do: it does what it can, and nothing for those who left."""

import asyncio
import json
import os
import random
import signal
import statistics
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import httpx2
import numpy as np
import pytest

from ml_predict.settings import MlPredictSettings
from shared.testing import TestIdentity
from shared.testing.waiting import becomes

ROWS = 64
OVERLOAD = 5
PATIENCE = 0.5  # seconds until a caller leaves; the queue is shorter


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Server:
    """One worker on one core, where there are two; callers, who are here, have the other."""

    pid: int
    port: int
    metrics_port: int
    headers: dict[str, str]
    outcomes: Counter[str] = field(default_factory=Counter)
    health: list[float] = field(default_factory=list)  # seconds until `/health` was answered
    resident: list[int] = field(default_factory=list)  # bytes of the worker, ten times a second
    idle: list[Connection] = field(default_factory=list)

    def request(self) -> bytes:
        data = np.random.default_rng(1).integers(0, 16, (ROWS, 64)).astype(np.float32).tobytes()
        tensor = {"name": "pixels", "datatype": "FP32", "shape": [ROWS, 64]}
        head = json.dumps(
            {
                "inputs": [tensor | {"parameters": {"binary_data_size": len(data)}}],
                "outputs": [{"name": "digit"}],
            }
        ).encode()
        fields = self.headers | {
            "Host": "localhost",
            "Inference-Header-Content-Length": str(len(head)),
            "Content-Length": str(len(head) + len(data)),
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"POST /v2/models/digits/infer HTTP/1.1\r\n{lines}\r\n".encode() + head + data

    async def ask(self, request: bytes) -> None:
        """One caller, who leaves without an answer after a while.

        Callers share connections, as those behind a gateway do. Whoever leaves closes the one that he has.
        """
        reader, writer = (
            self.idle.pop() if self.idle else await asyncio.open_connection("127.0.0.1", self.port)
        )
        outcome = "left"
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                writer.write(request)
                head = await read_answer(reader)
                outcome = head[9:12].decode()
                assert outcome == "200" or b"retry-after: " in head
        if outcome == "left":
            writer.transport.abort()
        else:
            self.idle.append((reader, writer))
        self.outcomes[outcome] += 1

    async def connect(self) -> Connection:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def watch_health(self) -> None:
        """Ten times a second, on a connection of its own."""
        reader, writer = await self.connect()
        try:
            while True:
                started = monotonic()
                writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert (await read_answer(reader)).startswith(b"http/1.1 200")
                self.health.append(monotonic() - started)
                self.resident.append(self.memory())
                await asyncio.sleep(0.1)
        finally:
            writer.transport.abort()

    async def closed_loop(self, seconds: float, callers: int = 4) -> float:
        """Good answers a second, as many as there can be."""
        request, until = self.request(), monotonic() + seconds

        async def caller() -> None:
            while monotonic() < until:
                await self.ask(request)

        before = self.outcomes["200"]
        await asyncio.gather(*(caller() for _ in range(callers)))
        return (self.outcomes["200"] - before) / seconds

    async def open_loop(self, rate: float, seconds: float) -> float:
        """The same while `rate` callers arrive a second, whatever becomes of those before."""
        request, draw = self.request(), random.Random(1)  # noqa: S311 - a schedule
        start = arrival = monotonic()
        before = self.outcomes["200"]
        async with asyncio.TaskGroup() as callers:
            while arrival < start + seconds:
                await asyncio.sleep(max(arrival - monotonic(), 0))
                callers.create_task(self.ask(request))
                arrival += draw.expovariate(rate)
        return (self.outcomes["200"] - before) / seconds

    async def close(self) -> None:
        for _, writer in self.idle:
            writer.transport.abort()
        await asyncio.sleep(0)  # in which the sockets are closed

    async def metric(self, name: str) -> float:
        """The sum of a metric of `digits`."""
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{self.metrics_port}") as client:
            text = (await client.get("/metrics")).text
        lines = [
            line for line in text.splitlines() if line.startswith(f"{name}{{") and 'model="digits"' in line
        ]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    def memory(self) -> int:
        """Resident bytes of the worker."""
        (worker,) = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return int(Path(f"/proc/{worker}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def read_answer(reader: asyncio.StreamReader) -> bytes:
    """Its head, in lower case; the body is read and thrown away."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
    return head


@asynccontextmanager
async def server(
    settings: MlPredictSettings, identity: TestIdentity, ports: tuple[int, int]
) -> AsyncIterator[Server]:
    given = {
        "REDIS_URL": settings.redis_url,
        "REDIS_PASSWORD": settings.redis_password.get_secret_value(),
        "JWKS_URL": settings.jwks_url,
        "WORKERS": "1",
        "PORT": str(ports[0]),
        "METRICS_PORT": str(ports[1]),
        "LOG_FORMAT": "json",
    }
    cores = sorted(os.sched_getaffinity(0))
    process = await asyncio.create_subprocess_exec(
        *("taskset", "--cpu-list", str(cores[0]), sys.executable, "-m", "ml_predict"),
        env=os.environ | {f"ML_PREDICT_{name}": value for name, value in given.items()},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    os.sched_setaffinity(0, cores[1:] or cores)
    try:
        made = Server(process.pid, *ports, identity.headers(7))
        await becomes(lambda: answers(made), seconds=30)
        try:
            yield made
        finally:
            await made.close()
    finally:
        os.sched_setaffinity(0, cores)
        process.send_signal(signal.SIGTERM)
        await process.wait()


async def answers(running: Server) -> bool:
    with suppress(OSError):
        await running.ask(running.request())
    return running.outcomes["200"] > 0


@pytest.fixture
def ports(unused_tcp_port_factory: Any) -> tuple[int, int]:
    return unused_tcp_port_factory(), unused_tcp_port_factory()


async def goodput(running: Server, rounds: int, seconds: float) -> float:
    """At five times the peak, as a share of it: the median of rounds, as a machine's pace drifts."""
    shares = []
    for _ in range(rounds):
        peak = await running.closed_loop(seconds)
        shares.append(await running.open_loop(OVERLOAD * peak, seconds) / peak)
    return statistics.median(shares)


async def saturate(running: Server, seconds: float) -> dict[str, float]:
    """What happens at five times the peak."""
    peak = await running.closed_loop(seconds / 3)
    before = {name: await running.metric(name) for name in ("ml_batch_rows_sum", "ml_dropped_total")}
    running.outcomes.clear()
    health = asyncio.create_task(running.watch_health())
    await running.open_loop(OVERLOAD * peak, seconds)
    health.cancel()
    await asyncio.wait([health])
    waited = sorted(running.health)
    computed = (await running.metric("ml_batch_rows_sum") - before["ml_batch_rows_sum"]) / ROWS
    return {
        "peak": peak,
        "good": running.outcomes["200"],
        "computed for nobody": computed - running.outcomes["200"],
        "dropped": await running.metric("ml_dropped_total") - before["ml_dropped_total"],
        "left": running.outcomes["left"],
        "refused": running.outcomes["503"],
        "MiB, before": running.resident[0] / 2**20,
        "MiB, after a third": running.resident[len(running.resident) // 3] / 2**20,
        "MiB, most": max(running.resident) / 2**20,
        "health, median": waited[len(waited) // 2],
        "health, 99 of 100": waited[len(waited) * 99 // 100],
    }


async def test_under_saturation_everybody_is_answered_or_refused_or_has_left(
    settings: MlPredictSettings, identity: TestIdentity, ports: tuple[int, int]
) -> None:
    async with server(settings, identity, ports) as running:
        found = await saturate(running, 0.6)
        assert running.outcomes.keys() <= {"200", "503", "left"}
        assert running.outcomes["200"] > 0
        assert found["dropped"] + found["refused"] > 0
        await becomes(lambda: answers(running))  # and it has recovered


@pytest.mark.soak
async def test_thirty_seconds_at_five_times_its_capacity(
    settings: MlPredictSettings, identity: TestIdentity, ports: tuple[int, int]
) -> None:
    async with server(settings, identity, ports) as running:
        found = await saturate(running, 30.0)
        sys.stderr.write(f"{found}\n{[round(each / 2**20, 1) for each in running.resident[::10]]}\n")
        assert found["computed for nobody"] <= 0.05 * found["good"]  # they left in the middle of it
        assert found["dropped"] + found["refused"] > 0
        assert found["MiB, most"] < 1.05 * found["MiB, after a third"]
        assert found["MiB, most"] < 1.2 * found["MiB, before"]


@pytest.mark.soak
async def test_overload_costs_at_most_a_tenth_of_the_good_answers(
    settings: MlPredictSettings, identity: TestIdentity, ports: tuple[int, int]
) -> None:
    async with server(settings, identity, ports) as running:
        share = await goodput(running, rounds=20, seconds=2.0)
        sys.stderr.write(f"goodput: {share:.1%} of the peak\n")
        assert share >= 0.9
