"""The simulator's formulas against a queue simulated event by event."""

import heapq
import math
import random

import numpy as np
import pytest

from loadtests.tuner.simulator.queue import Queue, waiting


def _events(queue: Queue, rate: float, requests: int) -> list[float]:
    """First come, first served, at `servers` servers, then at one database."""
    source = random.Random(2)  # noqa: S311 - statistics, not secrets
    free, database = [0.0] * queue.servers, 0.0
    now, done = 0.0, []
    for _ in range(requests):
        now += source.expovariate(rate)
        end = max(now, heapq.heappop(free)) + source.expovariate(1 / queue.service)
        heapq.heappush(free, end)
        done.append((end, now))
    latencies = []
    for arrived, sent in sorted(done):
        database = max(arrived, database) + (
            source.expovariate(queue.database) if math.isfinite(queue.database) else 0
        )
        latencies.append(database - sent + queue.delay)
    return latencies


@pytest.mark.parametrize(
    ("queue", "rate"),
    [
        (Queue(1, 0.01), 70.0),
        (Queue(4, 0.02, 0.05), 140.0),
        (Queue(32, 0.1), 290.0),
        (Queue(3, 0.01, database=200), 150.0),
    ],
)
def test_the_formula_agrees_with_events(queue: Queue, rate: float) -> None:
    latencies = _events(queue, rate, 120_000)
    for percent in (50, 90, 99):
        limit = float(np.percentile(latencies, percent))
        assert queue.share_slower(rate, limit) == pytest.approx(1 - percent / 100, rel=0.12)


def test_samples_agree_with_the_formula() -> None:
    queue = Queue(4, 0.02, 0.05, database=300)
    slow = (queue.sample(150, 2000, np.random.default_rng(1)) > 0.2).mean()
    assert slow == pytest.approx(queue.share_slower(150, 0.2), rel=0.05)


def test_erlangs_c() -> None:
    assert waiting(1, 0.7) == pytest.approx(0.7)
    assert waiting(2, 1.0) == pytest.approx(1 / 3)
    assert waiting(3, 3.5) == 1


def test_a_short_overload_only_begins_to_show() -> None:
    """Of 1,200 requests/s it does 1,000: after 3 s the last one waits for 0.6 s, and for a little chance."""
    slowest = Queue(50, 0.05).sample(1200, 3, np.random.default_rng(1)).max()
    assert 0.6 < slowest < 1.6


def test_beyond_its_throughput_a_queue_has_no_steady_state() -> None:
    queue = Queue(2, 0.01)
    assert queue.share_slower(250, 10) == 1
    assert queue.sample(400, 10, np.random.default_rng(1)).max() > 9
