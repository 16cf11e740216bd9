"""What is computed together, and that nobody's answer changes."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from ml_predict.answers import Array
from ml_predict.costs import Costs
from ml_predict.metrics import DROPPED
from ml_predict.model import Model
from ml_predict.scheduler import Scheduler

PAYS_NOT = Costs(one=0.00002, many=0.0003)
Ask = Callable[..., Any]


async def test_what_arrives_during_a_call_is_computed_together_and_split_again(
    ask: Ask, held: Any, model: Model, rows: Array, busy: Ask
) -> None:
    first = await busy()
    waiting = [ask(1, 1), ask(2, 5), ask(7, 2)]
    await asyncio.sleep(0)
    held.go.set()
    answers = [array for (array,) in await asyncio.gather(first, *waiting)]
    assert held.calls == [1, 8]
    (expected,) = model.run({"features": rows[:9]}, ["prices"])
    assert np.allclose(np.concatenate(answers), expected, rtol=2e-6, atol=0)


async def test_a_call_has_at_most_the_rows_that_it_may_have(ask: Ask, held: Any, busy: Ask) -> None:
    first = await busy()
    waiting = [ask(start, 12) for start in range(5)]
    await asyncio.sleep(0)
    held.go.set()
    await asyncio.gather(first, *waiting)
    assert held.calls == [1, 24, 24, 12]


async def test_a_model_for_which_it_does_not_pay_is_computed_request_by_request(
    ask: Ask, held: Any, busy: Ask
) -> None:
    held.use(PAYS_NOT)
    first = await busy()
    waiting = [ask(start) for start in range(3)]
    await asyncio.sleep(0)
    held.go.set()
    await asyncio.gather(first, *waiting)
    assert held.calls == [1, 1, 1, 1]


async def test_a_thread_finds_a_full_call_when_it_is_done_and_leaves_out_who_has_left(
    ask: Ask, held: Any, pool: ThreadPoolExecutor, busy: Ask, counted: Ask
) -> None:
    before = counted(DROPPED, "caller_gone")
    first = await busy()
    waiting = [ask(start, 16) for start in (1, 17, 33)]
    await asyncio.sleep(0)
    assert pool._work_queue.qsize() == 1  # 32 of the 48 rows, though the first call is not over
    waiting[0].cancel()
    held.go.set()
    await asyncio.gather(first, *waiting[1:])
    assert held.calls == [1, 16, 16]
    assert counted(DROPPED, "caller_gone") == before + 1


async def test_a_lone_request_does_not_wait_for_others(
    ask: Ask, held: Any, monkeypatch: pytest.MonkeyPatch
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


async def test_requests_that_come_in_quick_succession_wait_for_each_other(ask: Ask, held: Any) -> None:
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
