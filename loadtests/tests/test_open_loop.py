"""The bench's open loop starts what is due, and says how long it took from then on."""

import asyncio
import random
from dataclasses import asdict
from typing import Any

import pytest

from loadtests.bench.offered import Stream
from loadtests.bench.open_loop import Load, run

RATE, SECONDS = 2000.0, 0.25
REQUESTS = ["GET /a HTTP/1.1\r\n\r\n", "GET /b HTTP/1.1\r\n\r\n"]


def due(seed: int = 1) -> int:
    """The arrivals of the schedule: those of one seed are the same for everybody."""
    draw, at, count = random.Random(seed), 0.0, 0  # noqa: S311 - a schedule
    while at < SECONDS:
        at += draw.expovariate(RATE)
        count += 1
    return count


class Server(asyncio.Protocol):
    """Answers each request with `status`, and keeps their lines."""

    def __init__(self, status: str, lines: list[bytes]) -> None:
        self._answer = f"HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nok".encode()
        self._lines = lines

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._lines.append(data.partition(b"\r\n")[0])
        self._transport.write(self._answer)


async def asked(status: str, *streams: Stream) -> tuple[list[dict[str, float]], list[bytes]]:
    lines: list[bytes] = []
    listening = await asyncio.get_running_loop().create_server(lambda: Server(status, lines), "127.0.0.1", 0)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        return await asyncio.to_thread(run, port, [asdict(one) for one in streams], 8), lines


def stream(seed: int = 1, delay: float = 0.0) -> Stream:
    return Stream(REQUESTS, RATE, SECONDS, delay, seed)


def test_each_arrival_of_the_schedule_is_a_request() -> None:
    [found], lines = asyncio.run(asked("200 OK", stream()))
    assert (found["answered"], found["failed"]) == (due(), 0)
    assert len(lines) == due()
    assert set(lines) == {b"GET /a HTTP/1.1", b"GET /b HTTP/1.1"}
    assert 0 < found["p50"] <= found["p99"] <= found["p999"]


def test_an_answer_that_is_not_good_is_counted_as_failed() -> None:
    [found], _ = asyncio.run(asked("503 Service Unavailable", stream()))
    assert (found["answered"], found["failed"]) == (0, due())


def test_a_pause_of_the_machine_is_in_the_p99_and_not_in_that_of_the_median_tenth_of_a_second() -> None:
    load = Load(asdict(stream()))
    for moment in range(1000):  # a second
        paused = 300 <= moment < 350
        load.noted(moment / 1000, 0.040 if paused else 0.001)
    found = load.result()
    assert (found["p99"], found["p99_tenth"]) == pytest.approx((40, 1))


def test_streams_are_offered_side_by_side_each_with_its_own_arrivals() -> None:
    assert due(2) != due(1)
    found, lines = asyncio.run(asked("200 OK", stream(), stream(2, delay=0.1)))
    assert [one["answered"] for one in found] == [due(1), due(2)]
    assert len(lines) == due(1) + due(2)
