"""Predictions: cheap ones at once, the others through the queue."""

from collections.abc import Mapping, Sequence
from time import perf_counter

from ml_predict.answers import Array
from ml_predict.exceptions import ModelNotFound
from ml_predict.inference import parse, render, rows_of
from ml_predict.metrics import MODEL_METRICS
from ml_predict.model import Model
from ml_predict.repository import Repository
from ml_predict.scheduler import Gone, Scheduler


class PredictionService:
    """The repository's models, and the scheduler of all that is not computed on the event loop.

    What is computed there was measured when the model was warmed up (`Costs`): no more than 200 µs at once.
    """

    def __init__(self, repository: Repository, scheduler: Scheduler, default: str) -> None:
        self.repository = repository
        self._scheduler = scheduler
        self._default = default

    async def predict(self, body: bytes, name: str | None = None, gone: Gone | None = None) -> bytes:
        """The answer to `{"instances": [...]}`, as JSON; `gone` tells that the caller has left.

        Raises ModelNotFound, BodyMalformed, BodyInvalid, QueueFull or DeadlinePassed.
        """
        model = self.repository.find(name or self._default)
        if model.rows is None:
            raise ModelNotFound(f"The model {model.ref.name} takes tensors only.")
        rows = model.rows.parse(body).rows
        feeds = {str(model.card.input): rows}
        return model.renderer.render(await self._computed(model, feeds, model.shown, len(rows), gone))

    async def infer(
        self,
        name: str,
        version: str | None,
        body: bytes,
        json_length: int | None,
        gone: Gone | None = None,
    ) -> tuple[bytes, int | None]:
        """The answer by the Open Inference Protocol, and the length of its JSON if binary tensors follow.

        Raises ModelNotFound, BodyMalformed, BodyInvalid, ModelRefused, QueueFull or DeadlinePassed.
        """
        model = self.repository.find(name, version)
        asked = parse(model, body, json_length)
        rows = rows_of(asked.feeds)
        computed = await self._computed(model, asked.feeds, asked.names, rows, gone, asked.timeout)
        return render(model, asked, computed)

    async def _computed(
        self,
        model: Model,
        feeds: Mapping[str, Array],
        outputs: Sequence[str],
        rows: int,
        gone: Gone | None,
        within: float | None = None,
    ) -> list[Array]:
        if rows > model.inline_rows:
            return await self._scheduler.run(model, feeds, outputs, rows, gone=gone, within=within)
        started = perf_counter()
        computed = model.run(feeds, outputs)
        MODEL_METRICS.computed(model, rows, perf_counter() - started)
        return computed

    async def ping(self) -> dict[str, str]:
        """Run one row of each default version, and say which versions those are.

        Not in the queue: a long queue means a busy service, and taking it out of service would only move its
        load to the next one.
        """
        defaults = self.repository.defaults()
        for model in defaults.values():
            model.probe()
        return {name: model.ref.version for name, model in defaults.items()}
