"""What is computed on the event loop, what in the pool, and what happens to those who wait."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ml_predict.answers import Array
from ml_predict.costs import Costs
from ml_predict.exceptions import QueueFull
from ml_predict.model import Model
from ml_predict.reading import INLINE_BYTES, MOST_WAITING, Reader
from ml_predict.repository import Repository
from ml_predict.scheduler import Limits, Scheduler
from ml_predict.service import PredictionService
from ml_predict.serving_state import ServingState
from ml_predict.shadows import Shadows

INLINE_ROWS = 16
COSTS = Costs(one=50e-6, many=360e-6)  # 16 rows take 200 µs


class Watched:
    """The real model, which notes the threads it ran in and can be held up."""

    def __init__(self, model: Model) -> None:
        self.threads: list[threading.Thread] = []
        self.go = threading.Event()
        self.go.set()
        self._run = model.run

    def run(self, feeds: Any, outputs: Any = None) -> list[Array]:
        self.threads.append(threading.current_thread())
        if len(feeds["features"]) > INLINE_ROWS:
            assert self.go.wait(20)
        return self._run(feeds, outputs)


@pytest.fixture
def repository(folder: Path) -> Repository:
    made = Repository(folder.parents[1])
    made.serve(ServingState(), [made.load("diamond-price", "1")])
    return made


@pytest.fixture
def watched(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Watched:
    model = repository.find("diamond-price")
    made = Watched(model)
    model.use(COSTS)
    monkeypatch.setattr(model, "run", made.run)
    return made


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as made:
        yield made


@pytest.fixture
def service(repository: Repository, watched: Watched, pool: ThreadPoolExecutor) -> PredictionService:
    scheduler = Scheduler(pool, Limits(threads=2))
    return PredictionService(repository, scheduler, Reader(pool), Shadows(pool), default="diamond-price")


@pytest.fixture
def ask(service: PredictionService, diamond: dict[str, Any]) -> Callable[..., Any]:
    async def rows(count: int) -> int:
        answer = await service.predict(json.dumps({"instances": [diamond] * count}).encode())
        return len(json.loads(answer)["predictions"])

    return rows


async def test_sixteen_rows_stay_on_the_event_loop_and_seventeen_do_not(
    ask: Callable[..., Any], watched: Watched
) -> None:
    here = threading.current_thread()
    assert await ask(16) == 16
    assert watched.threads == [here]
    assert await ask(17) == 17
    assert watched.threads[1] is not here


async def test_however_many_batches_come_the_pool_bounds_the_threads(
    ask: Callable[..., Any], watched: Watched
) -> None:
    assert await asyncio.gather(*(ask(20) for _ in range(30))) == [20] * 30
    assert 1 <= len(set(watched.threads)) <= 2


async def test_a_small_request_overtakes_batches_that_wait(ask: Callable[..., Any], watched: Watched) -> None:
    watched.go.clear()
    batches = [asyncio.create_task(ask(20)) for _ in range(5)]
    assert await ask(1) == 1
    assert not any(batch.done() for batch in batches)
    watched.go.set()
    assert await asyncio.gather(*batches) == [20] * 5


async def test_a_batch_whose_caller_has_left_is_never_begun(
    ask: Callable[..., Any], watched: Watched, eventually: Callable[..., Any]
) -> None:
    watched.go.clear()
    running = [asyncio.create_task(ask(20)) for _ in range(2)]
    await eventually(lambda: len(watched.threads), 2)
    waiting = asyncio.create_task(ask(20))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    watched.go.set()
    await asyncio.gather(*running)
    await ask(20)  # whatever was queued before it has had its turn
    assert len(watched.threads) == 3


async def test_a_large_body_is_read_in_a_thread_and_a_small_one_is_not(
    pool: ThreadPoolExecutor,
) -> None:
    here = threading.current_thread()
    reader = Reader(pool)
    assert await reader.read(threading.current_thread, INLINE_BYTES) is here
    assert await reader.read(threading.current_thread, INLINE_BYTES + 1) is not here


async def test_bodies_that_wait_are_bounded_and_those_done_or_gone_count_no_more(
    pool: ThreadPoolExecutor,
) -> None:
    reader, go = Reader(pool), threading.Event()
    held = [asyncio.create_task(reader.read(lambda: go.wait(20), MOST_WAITING // 4)) for _ in range(4)]
    await asyncio.sleep(0)
    with pytest.raises(QueueFull) as refused:
        await reader.read(go.is_set, INLINE_BYTES + 1)
    assert refused.value.headers["Retry-After"] == "1"
    held.pop().cancel()
    await asyncio.sleep(0)
    go.set()
    assert await reader.read(go.is_set, INLINE_BYTES + 1)
    assert await asyncio.gather(*held) == [True] * 3
