"""A scheduler for the real model, whose calls a test holds back."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from prometheus_client import Counter

from ml_predict.answers import Array
from ml_predict.costs import Costs
from ml_predict.model import Model
from ml_predict.scheduler import Limits, Scheduler
from shared.gathering import GATHERING

Ask = Callable[..., Any]


class Held(Model):
    """Notes each call and waits in it until `go` is set."""

    calls: list[int]
    go: threading.Event

    def run(self, feeds: Mapping[str, Array], outputs: Sequence[str] | None = None) -> list[Array]:
        if hasattr(self, "calls"):
            self.calls.append(len(feeds["features"]))
            assert self.go.wait(20)
        return super().run(feeds, outputs)


@pytest.fixture
def held(folder: Path) -> Held:
    """Gathering pays, by its costs."""
    made = Held.load(folder)
    made.use(Costs(one=0.002, many=0.0025))
    made.calls, made.go = [], threading.Event()
    return made


@pytest_asyncio.fixture(loop_scope="session")
async def pool() -> AsyncIterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as made:
        yield made


@pytest.fixture
def rows(model: Model) -> Array:
    """A hundred different stones."""
    made = model.example(100)["features"].copy()
    made[:, 0] = np.linspace(0.2, 4, 100)
    return made


@pytest.fixture
def ask(pool: ThreadPoolExecutor, held: Held, rows: Array) -> Ask:
    """`ask(start, count)` asks for those of the `rows`, in a task."""
    scheduler = Scheduler(pool, Limits(queue=0.05, batch_rows=32))

    def ask(start: int, count: int = 1, **options: Any) -> asyncio.Task[list[Array]]:
        feeds = {"features": rows[start : start + count]}
        return asyncio.create_task(scheduler.run(held, feeds, ["prices"], count, **options))

    return ask


@pytest.fixture
def busy(ask: Ask, held: Held, eventually: Ask) -> Ask:
    """`await busy()`: a call is being computed, and goes on until `go` is set."""

    async def begun() -> asyncio.Task[list[Array]]:
        first: asyncio.Task[list[Array]] = ask(0)
        await eventually(lambda: held.calls, [1])
        return first

    return begun


@pytest.fixture
def counted(held: Held) -> Callable[..., float]:
    """`counted(counter, *labels)` for this model.

    Gathered counts are included: a server that another test runs may be gathering.
    """

    def count(counter: Counter, *labels: str) -> float:
        GATHERING.flush()
        return float(counter.labels(*held.labels, *labels)._value.get())

    return count
