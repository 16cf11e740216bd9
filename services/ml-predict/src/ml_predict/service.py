"""Predictions: small requests at once, large ones in the pool."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

from ml_predict.exceptions import ModelNotFound
from ml_predict.inference import parse, render, rows_of
from ml_predict.model import Model
from ml_predict.repository import Repository
from ml_predict.rows import Float32s

INLINE_ROWS = 16
"""Rows that are computed on the event loop: 16 take 120 µs there, and the way to a thread and back 30 µs
more. 100 take 650 µs and 1,000 about 4 ms, for which no other request should have to wait."""

T = TypeVar("T")


class PredictionService:
    """The repository's models and one bounded pool, both the lifespan's.

    All batches share the pool, so that however many arrive, no more of them compete with the event loop for
    the interpreter than the pool has threads; the others queue in order of arrival.
    """

    def __init__(self, repository: Repository, pool: Executor, default: str) -> None:
        self.repository = repository
        self._pool = pool
        self._default = default

    async def predict(self, body: bytes, name: str | None = None) -> bytes:
        """The answer to `{"instances": [...]}`, as JSON.

        When cancelled, a batch that has not begun is never begun. Raises ModelNotFound, BodyMalformed or
        BodyInvalid.
        """
        model = self.repository.find(name or self._default)
        if model.rows is None:
            raise ModelNotFound(f"The model {model.ref.name} takes tensors only.")
        rows = model.rows.parse(body).rows
        return await self._at_its_place(len(rows), lambda: _predicted(model, rows))

    async def infer(
        self, name: str, version: str | None, body: bytes, json_length: int | None
    ) -> tuple[bytes, int | None]:
        """The answer by the Open Inference Protocol, and the length of its JSON if binary tensors follow.

        Raises ModelNotFound, BodyMalformed, BodyInvalid or ModelRefused.
        """
        model = self.repository.find(name, version)
        asked = parse(model, body, json_length)
        return await self._at_its_place(
            rows_of(asked.feeds), lambda: render(model, asked, model.run(asked.feeds, asked.names))
        )

    async def _at_its_place(self, rows: int, compute: Callable[[], T]) -> T:
        if rows <= INLINE_ROWS:
            return compute()
        return await asyncio.get_running_loop().run_in_executor(self._pool, compute)

    async def ping(self) -> dict[str, str]:
        """Run one row of each default version, and say which versions those are.

        Not in the pool: batches that wait mean a busy service, and taking it out of service would only move
        its load to the next one.
        """
        defaults = self.repository.defaults()
        for model in defaults.values():
            model.probe()
        return {name: model.ref.version for name, model in defaults.items()}


def _predicted(model: Model, rows: Float32s) -> bytes:
    return model.renderer.render(model.predict(rows))
