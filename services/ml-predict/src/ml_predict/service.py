"""Predictions: small requests at once, large ones in the pool."""

import asyncio
from concurrent.futures import Executor

from ml_predict.exceptions import ModelNotFound
from ml_predict.model import Model
from ml_predict.repository import Repository
from ml_predict.rows import Float32s

INLINE_ROWS = 16
"""Rows that are computed on the event loop: 16 take 120 µs there, and the way to a thread and back 30 µs
more. 100 take 650 µs and 1,000 about 4 ms, for which no other request should have to wait."""


class PredictionService:
    """The repository's models and one bounded pool, both the lifespan's.

    All batches share the pool, so that however many arrive, no more of them compete with the event loop for
    the interpreter than the pool has threads; the others queue in order of arrival.
    """

    def __init__(self, repository: Repository, pool: Executor, default: str) -> None:
        self._repository = repository
        self._pool = pool
        self._default = default

    async def predict(self, body: bytes, name: str | None = None) -> bytes:
        """The answer to `{"instances": [...]}`, as JSON.

        When cancelled, a batch that has not begun is never begun. Raises ModelNotFound, BodyMalformed or
        BodyInvalid.
        """
        model = self._repository.find(name or self._default)
        if model.rows is None:
            raise ModelNotFound(f"The model {model.ref.name} takes tensors only.")
        asked = model.rows.parse(body)
        if len(asked.rows) <= INLINE_ROWS:
            return _compute(model, asked.rows)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, _compute, model, asked.rows)

    async def ping(self) -> dict[str, str]:
        """Run one row of each default version, and say which versions those are.

        Not in the pool: batches that wait mean a busy service, and taking it out of service would only move
        its load to the next one.
        """
        defaults = self._repository.defaults()
        for model in defaults.values():
            model.probe()
        return {name: model.ref.version for name, model in defaults.items()}


def _compute(model: Model, rows: Float32s) -> bytes:
    return model.renderer.render(model.predict(rows))
