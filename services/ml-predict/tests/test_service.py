"""What is priced on the event loop, what in the pool, and what happens to those who wait."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ml_predict.model import PriceModel
from ml_predict.schemas import DiamondFeatures, ModelRef, Prediction
from ml_predict.service import INLINE_ROWS, PredictionService


class WatchedModel:
    """The real model, which notes the threads it ran in and can be held up."""

    def __init__(self, model: PriceModel) -> None:
        self.ref = ModelRef(name="watched", version="1")
        self.threads: list[threading.Thread] = []
        self.go = threading.Event()
        self.go.set()
        self._model = model

    def predict(self, rows: Sequence[DiamondFeatures]) -> list[Prediction]:
        self.threads.append(threading.current_thread())
        if len(rows) > INLINE_ROWS:
            assert self.go.wait(20)
        return self._model.predict(rows)


@pytest.fixture
def watched(model: PriceModel) -> WatchedModel:
    return WatchedModel(model)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as made:
        yield made


@pytest.fixture
def service(watched: WatchedModel, pool: ThreadPoolExecutor) -> PredictionService:
    return PredictionService(watched, pool)  # type: ignore[arg-type]  # watched is all of it that is used


@pytest.fixture
def row(diamond: dict[str, Any]) -> DiamondFeatures:
    return DiamondFeatures.model_validate(diamond)


async def test_sixteen_diamonds_stay_on_the_event_loop_and_seventeen_do_not(
    service: PredictionService, watched: WatchedModel, row: DiamondFeatures
) -> None:
    here = threading.current_thread()
    assert len((await service.predict([row] * 16)).predictions) == 16
    assert watched.threads == [here]
    assert len((await service.predict([row] * 17)).predictions) == 17
    assert watched.threads[1] is not here


async def test_however_many_batches_come_the_pool_bounds_the_threads(
    service: PredictionService, watched: WatchedModel, row: DiamondFeatures
) -> None:
    answers = await asyncio.gather(*(service.predict([row] * 20) for _ in range(30)))
    assert [len(answer.predictions) for answer in answers] == [20] * 30
    assert 1 <= len(set(watched.threads)) <= 2


async def test_a_small_request_overtakes_batches_that_wait(
    service: PredictionService, watched: WatchedModel, row: DiamondFeatures
) -> None:
    watched.go.clear()
    batches = [asyncio.create_task(service.predict([row] * 20)) for _ in range(5)]
    answer = await service.predict([row])
    assert len(answer.predictions) == 1
    assert not any(batch.done() for batch in batches)
    watched.go.set()
    assert len(await asyncio.gather(*batches)) == 5


async def test_a_batch_whose_caller_has_left_is_never_begun(
    service: PredictionService, watched: WatchedModel, row: DiamondFeatures, eventually: Callable[..., Any]
) -> None:
    watched.go.clear()
    running = [asyncio.create_task(service.predict([row] * 20)) for _ in range(2)]
    await eventually(lambda: len(watched.threads), 2)
    waiting = asyncio.create_task(service.predict([row] * 20))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    watched.go.set()
    await asyncio.gather(*running)
    await service.predict([row] * 20)  # whatever was queued before it has had its turn
    assert len(watched.threads) == 3


async def test_an_error_in_the_pool_reaches_the_caller(
    pool: ThreadPoolExecutor, model: PriceModel, diamond: dict[str, Any]
) -> None:
    rows: list[Any] = [diamond] * 16 + [diamond | {"cut": "?"}]  # as no request could hold them
    with pytest.raises(ValueError, match="row 16, feature cut"):
        await PredictionService(model, pool).predict(rows)
