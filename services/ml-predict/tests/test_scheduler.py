"""Who is computed together, who is refused, who is never computed, and that nobody's answer changes."""

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
from ml_predict.exceptions import DeadlinePassed, QueueFull
from ml_predict.metrics import DROPPED, REFUSED
from ml_predict.model import Model
from ml_predict.scheduler import Limits, Scheduler
from shared.gathering import GATHERING

PAYS = Costs(one=0.002, many=0.0025)
PAYS_NOT = Costs(one=0.00002, many=0.0003)
Ask = Callable[..., Any]


class Held(Model):
    """The real model, which notes each call and waits in it until `go` is set."""

    calls: list[int]
    go: threading.Event

    def run(self, feeds: Mapping[str, Array], outputs: Sequence[str] | None = None) -> list[Array]:
        if hasattr(self, "calls"):
            self.calls.append(len(feeds["features"]))
            assert self.go.wait(20)
        return super().run(feeds, outputs)


@pytest.fixture
def held(folder: Path) -> Held:
    made = Held.load(folder)
    made.use(PAYS)
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


def asking(scheduler: Scheduler, model: Model, rows: Array) -> Ask:
    def ask(start: int, count: int = 1, **options: Any) -> asyncio.Task[list[Array]]:
        feeds = {"features": rows[start : start + count]}
        return asyncio.create_task(scheduler.run(model, feeds, ["prices"], count, **options))

    return ask


@pytest.fixture
def ask(pool: ThreadPoolExecutor, held: Held, rows: Array) -> Ask:
    return asking(Scheduler(pool, Limits(queue=0.05, batch_rows=32)), held, rows)


def counted(counter: Counter, *labels: str) -> float:
    """Gathered counts included: a server that another test runs may be gathering."""
    GATHERING.flush()
    return float(counter.labels(*labels)._value.get())


async def busy(ask: Ask, held: Held, eventually: Ask) -> asyncio.Task[list[Array]]:
    """A call is being computed, and goes on until `go` is set."""
    first: asyncio.Task[list[Array]] = ask(0)
    await eventually(lambda: held.calls, [1])
    return first


async def test_what_arrives_during_a_call_is_computed_together_and_split_again(
    ask: Ask, held: Held, model: Model, rows: Array, eventually: Ask
) -> None:
    first = await busy(ask, held, eventually)
    waiting = [ask(1, 1), ask(2, 5), ask(7, 2)]
    await asyncio.sleep(0)
    held.go.set()
    answers = [array for (array,) in await asyncio.gather(first, *waiting)]
    assert held.calls == [1, 8]
    (expected,) = model.run({"features": rows[:9]}, ["prices"])
    assert np.allclose(np.concatenate(answers), expected, rtol=2e-6, atol=0)


async def test_a_call_has_at_most_the_rows_that_it_may_have(ask: Ask, held: Held, eventually: Ask) -> None:
    first = await busy(ask, held, eventually)
    waiting = [ask(start, 12) for start in range(5)]
    await asyncio.sleep(0)
    held.go.set()
    await asyncio.gather(first, *waiting)
    assert held.calls == [1, 24, 24, 12]


async def test_a_model_for_which_it_does_not_pay_is_computed_request_by_request(
    ask: Ask, held: Held, eventually: Ask
) -> None:
    held.use(PAYS_NOT)
    first = await busy(ask, held, eventually)
    waiting = [ask(start) for start in range(3)]
    await asyncio.sleep(0)
    held.go.set()
    await asyncio.gather(first, *waiting)
    assert held.calls == [1, 1, 1, 1]


async def test_whoever_has_left_is_never_computed_and_counted(ask: Ask, held: Held, eventually: Ask) -> None:
    labels = (*held.ref.model_dump().values(), "caller_gone")
    before = counted(DROPPED, *labels)
    first = await busy(ask, held, eventually)
    left = asyncio.Event()

    async def gone() -> None:
        await left.wait()

    leaving, staying, cancelled = ask(1, gone=gone), ask(2, gone=asyncio.Event().wait), ask(3)
    await asyncio.sleep(0)
    left.set()
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    held.go.set()
    await asyncio.gather(first, staying)
    assert held.calls == [1, 1]
    assert counted(DROPPED, *labels) == before + 2


async def test_a_request_whose_time_has_passed_is_refused_before_it_is_computed(
    ask: Ask, held: Held, eventually: Ask
) -> None:
    first = await busy(ask, held, eventually)
    late = ask(1, within=0.001)
    await asyncio.sleep(0.01)
    held.go.set()
    with pytest.raises(DeadlinePassed):
        await late
    await first
    assert held.calls == [1]


async def test_a_full_queue_refuses_and_says_when_to_come_back(ask: Ask, held: Held, eventually: Ask) -> None:
    before = counted(REFUSED, *held.labels)
    held.use(Costs(one=1.2, many=32 * 1.2))
    first = await busy(ask, held, eventually)
    handed_over, waiting = ask(1), ask(2)
    with pytest.raises(QueueFull) as caught:
        await ask(3)
    assert caught.value.headers["Retry-After"] == "2"
    assert counted(REFUSED, *held.labels) == before + 1
    waiting.cancel()
    held.go.set()
    await asyncio.gather(first, handed_over)


async def test_a_queue_that_stands_is_served_newest_first(
    ask: Ask, held: Held, eventually: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    held.use(PAYS_NOT)
    now = [1000.0]
    monkeypatch.setattr("ml_predict.scheduler.monotonic", lambda: now[0])
    first = await busy(ask, held, eventually)
    waiting = []
    for size in (2, 3, 4, 5):
        waiting.append(ask(size, size))
        await asyncio.sleep(0)
        now[0] += 0.03
    held.go.set()
    await asyncio.gather(first, *waiting)
    assert held.calls == [1, 2, 5, 4, 3]  # the second had been handed over at once


async def test_a_thread_finds_a_full_call_when_it_is_done_and_leaves_out_who_has_left(
    ask: Ask, held: Held, pool: ThreadPoolExecutor, eventually: Ask
) -> None:
    labels = (*held.ref.model_dump().values(), "caller_gone")
    before = counted(DROPPED, *labels)
    first = await busy(ask, held, eventually)
    waiting = [ask(start, 16) for start in (1, 17, 33)]
    await asyncio.sleep(0)
    assert pool._work_queue.qsize() == 1  # 32 of the 48 rows, though the first call is not over
    waiting[0].cancel()
    held.go.set()
    await asyncio.gather(first, *waiting[1:])
    assert held.calls == [1, 16, 16]
    assert counted(DROPPED, *labels) == before + 1


async def test_whoever_leaves_makes_room_at_once(ask: Ask, held: Held, eventually: Ask) -> None:
    held.use(Costs(one=1.2, many=32 * 1.2))
    first = await busy(ask, held, eventually)
    leaving = ask(1)
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    staying = ask(2)
    held.go.set()
    await asyncio.gather(first, staying)
    assert held.calls == [1, 1]


async def test_an_error_reaches_everybody_who_waited_for_it_and_nobody_else(
    ask: Ask, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    held.go.set()
    with monkeypatch.context() as broken:
        broken.setattr(held, "_session", None)
        failed = await asyncio.gather(ask(1), ask(2), return_exceptions=True)
    assert [type(error) for error in failed] == [AttributeError, AttributeError]
    assert len(await ask(3)) == 1


async def test_a_lone_request_does_not_wait_for_others(
    ask: Ask, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    held.go.set()
    loop = asyncio.get_running_loop()
    timers: list[Any] = []
    later = loop.call_later

    def noted(delay: float, callback: Any, *given: Any, **options: Any) -> asyncio.TimerHandle:
        timers.append(getattr(callback, "__self__", None))
        return later(delay, callback, *given, **options)

    monkeypatch.setattr(loop, "call_later", noted)
    await ask(1)
    assert held.calls == [1]
    assert not any(isinstance(timer, Scheduler) for timer in timers)


async def test_requests_that_come_in_quick_succession_wait_for_each_other(ask: Ask, held: Held) -> None:
    held.go.set()
    held.use(Costs(one=0.02, many=0.02))
    for _ in range(50):  # the average learns that they come quickly
        tasks = [ask(start) for start in range(10)]
        await asyncio.gather(*tasks)
    assert max(held.calls) == 10
    assert len(held.calls) < 300


@pytest.mark.parametrize("size", [1, 2, 7, 31])
def test_a_row_is_the_same_alone_and_in_any_batch(model: Model, rows: Array, size: int) -> None:
    (together,) = model.run({"features": rows[:size]}, ["prices"])
    alone = [model.run({"features": rows[place : place + 1]}, ["prices"])[0] for place in range(size)]
    assert np.allclose(np.concatenate(alone), together, rtol=2e-6, atol=0)  # sums of float32 in another order
