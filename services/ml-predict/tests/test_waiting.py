"""Whose turn it is: the queue in simulated time, and against the scheduler's order of calls."""

from asyncio import Future, new_event_loop
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from ml_predict.batches import Job
from ml_predict.model import Model
from ml_predict.pace import SLOWEST, Pace
from ml_predict.waiting import STANDS, Waiting

LIMIT = 0.25


@pytest.fixture
def result() -> Iterator[Future[Any]]:
    loop = new_event_loop()
    yield loop.create_future()
    loop.close()


def job(model: Model, result: Future[Any], arrived: float, cost: float = 0.01) -> Job:
    return Job(model, {}, [], 1, cost, arrived, arrived + 2, result)


def test_a_queue_that_moves_is_served_in_turn_and_one_that_stands_newest_first(
    model: Model, result: Future[Any]
) -> None:
    waiting = Waiting(LIMIT)
    jobs = [job(model, result, arrived) for arrived in (0.0, 0.1, 0.2)]
    for each in jobs:
        waiting.add(each)
    assert waiting.in_turn(STANDS * LIMIT) == jobs
    assert waiting.in_turn(STANDS * LIMIT + 0.01) == jobs[::-1]
    waiting.remove(jobs[0])
    assert waiting.in_turn(STANDS * LIMIT + 0.01) == jobs[1:]


def test_the_bound_is_of_work_and_one_may_always_wait(model: Model, result: Future[Any]) -> None:
    waiting = Waiting(LIMIT)
    assert not waiting.full(10.0)
    first = job(model, result, 0.0, cost=0.2)
    waiting.add(first)
    assert not waiting.full(0.04)
    assert waiting.full(0.06)
    waiting.remove(first)
    assert waiting.work == 0.0
    assert not waiting.full(10.0)


def test_after_a_refusal_nothing_is_read_until_a_part_of_the_queue_is_free(
    model: Model, result: Future[Any]
) -> None:
    waiting = Waiting(LIMIT)
    jobs = [job(model, result, 0.0, cost=0.02) for _ in range(12)]
    for each in jobs:
        waiting.add(each)
    seen = [waiting.shut, waiting.full(0.02), waiting.shut]
    waiting.remove(jobs[0])
    seen.append(waiting.shut)
    waiting.add(jobs[0])
    seen.append(waiting.shut)  # until the next refusal
    assert seen == [False, True, True, False, False]


def test_what_was_refused_has_room_when_requests_are_read_again(model: Model, result: Future[Any]) -> None:
    waiting = Waiting(LIMIT)
    jobs = [job(model, result, 0.0, cost=0.06) for _ in range(4)]
    for each in jobs:
        waiting.add(each)
    assert waiting.full(0.06)
    waiting.remove(jobs[0])
    assert not waiting.shut
    waiting.add(jobs[0])
    assert waiting.full(1.0)  # for which there is never room
    seen = []
    for each in jobs[:2]:
        waiting.remove(each)
        seen.append(waiting.shut)
    assert seen == [True, False]


@pytest.mark.parametrize("slower", [1, 4, 20])
def test_five_times_more_than_can_be_computed_leaves_nobody_computing_for_those_who_left(
    model: Model, result: Future[Any], slower: int
) -> None:
    """Callers leave after half a second, and a call takes `slower` times what was estimated."""
    waiting, patience, real = Waiting(LIMIT), 0.5, 0.01
    arrivals = (number * real / 5 for number in count())
    arrival, now, in_time, calls = next(arrivals), 0.0, 0, 0
    while now < 20:
        while arrival <= now:
            for gone in [each for each in waiting.in_turn(0.0) if each.arrived + patience < arrival]:
                waiting.remove(gone)
            if not waiting.full(real / slower):
                waiting.add(job(model, result, arrival, real / slower))
            arrival = next(arrivals)
        turn = waiting.in_turn(now)
        if turn:
            waiting.remove(turn[0])
            calls += 1
            in_time += now + real <= turn[0].arrived + patience
        now += real
    assert in_time >= 0.95 * calls
    assert calls >= 0.99 * 20 / real


def test_the_pace_follows_what_calls_take_now_and_one_that_was_held_up_is_bounded(model: Model) -> None:
    pace = Pace()
    assert pace.of(model) == 1.0
    expected = model.costs.of(8)
    for _ in range(50):
        pace.note(model, 8, 3 * expected)
    assert pace.of(model) == pytest.approx(3.0, rel=0.01)
    pace.note(model, 8, 1e6 * expected)
    assert pace.of(model) < SLOWEST
