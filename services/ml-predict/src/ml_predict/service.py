"""Pricing diamonds: small requests at once, large ones in the pool."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor

from ml_predict.model import PriceModel
from ml_predict.schemas import DiamondFeatures, ModelRef, PredictResponse

INLINE_ROWS = 16
"""Rows that are priced on the event loop: 16 take 120 µs there, and the way to a thread and back 30 µs more.
100 take 650 µs and 1,000 about 4 ms, for which no other request should have to wait."""


class PredictionService:
    """One model and one bounded pool, both the lifespan's.

    All batches share the pool, so that however many arrive, no more of them compete with the event loop for
    the interpreter than the pool has threads; the others queue in order of arrival.
    """

    def __init__(self, model: PriceModel, pool: Executor) -> None:
        self._model = model
        self._pool = pool

    async def predict(self, diamonds: Sequence[DiamondFeatures]) -> PredictResponse:
        """Prices in the order of `diamonds`. When cancelled, a batch that has not begun is never begun."""
        if len(diamonds) <= INLINE_ROWS:
            predictions = self._model.predict(diamonds)
        else:
            loop = asyncio.get_running_loop()
            predictions = await loop.run_in_executor(self._pool, self._model.predict, diamonds)
        return PredictResponse(model=self._model.ref, predictions=predictions)

    async def ping(self) -> ModelRef:
        """Price one diamond, and say by which model.

        Not in the pool: batches that wait mean a busy service, and taking it out of service would only move
        its load to the next one.
        """
        self._model.probe()
        return self._model.ref
