"""Who is refused, who is never computed, and who is served first."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from ml_predict.costs import Costs
from ml_predict.exceptions import DeadlinePassed, QueueFull
from ml_predict.metrics import DROPPED, REFUSED

PAYS_NOT = Costs(one=0.00002, many=0.0003)
Ask = Callable[..., Any]


async def test_whoever_has_left_is_never_computed_and_counted(
    ask: Ask, held: Any, busy: Ask, counted: Ask
) -> None:
    before = counted(DROPPED, "caller_gone")
    first = await busy()
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
    assert counted(DROPPED, "caller_gone") == before + 2


async def test_a_request_whose_time_has_passed_is_refused_before_it_is_computed(
    ask: Ask, held: Any, busy: Ask
) -> None:
    first = await busy()
    late = ask(1, within=0.001)
    await asyncio.sleep(0.01)
    held.go.set()
    with pytest.raises(DeadlinePassed):
        await late
    await first
    assert held.calls == [1]


async def test_a_full_queue_refuses_and_says_when_to_come_back(
    ask: Ask, held: Any, busy: Ask, counted: Ask
) -> None:
    before = counted(REFUSED)
    held.use(Costs(one=1.2, many=32 * 1.2))
    first = await busy()
    handed_over, waiting = ask(1), ask(2)
    with pytest.raises(QueueFull) as caught:
        await ask(3)
    assert caught.value.headers["Retry-After"] == "2"
    assert counted(REFUSED) == before + 1
    waiting.cancel()
    held.go.set()
    await asyncio.gather(first, handed_over)


async def test_a_queue_that_stands_is_served_newest_first(
    ask: Ask, held: Any, busy: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    held.use(PAYS_NOT)
    now = [1000.0]
    monkeypatch.setattr("ml_predict.scheduler.monotonic", lambda: now[0])
    first = await busy()
    waiting = []
    for size in (2, 3, 4, 5):
        waiting.append(ask(size, size))
        await asyncio.sleep(0)
        now[0] += 0.03
    held.go.set()
    await asyncio.gather(first, *waiting)
    assert held.calls == [1, 2, 5, 4, 3]  # the second had been handed over at once


async def test_whoever_leaves_makes_room_at_once(ask: Ask, held: Any, busy: Ask) -> None:
    held.use(Costs(one=1.2, many=32 * 1.2))
    first = await busy()
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
    ask: Ask, held: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    held.go.set()
    with monkeypatch.context() as broken:
        broken.setattr(held, "_session", None)
        failed = await asyncio.gather(ask(1), ask(2), return_exceptions=True)
    assert [type(error) for error in failed] == [AttributeError, AttributeError]
    assert len(await ask(3)) == 1
