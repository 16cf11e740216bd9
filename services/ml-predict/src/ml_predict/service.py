"""Predictions: cheap ones at once, the others through the queue."""

from collections.abc import Mapping, Sequence
from time import perf_counter

from ml_predict.answers import Array, by_canary
from ml_predict.drift import DRIFT
from ml_predict.exceptions import ModelNotFound, QueueFull
from ml_predict.explain import MOST_EXPLAINED
from ml_predict.inference import invalid, parse, render, rows_of
from ml_predict.leaving import Gone
from ml_predict.metrics import MODEL_METRICS
from ml_predict.model import Model
from ml_predict.reading import Reader
from ml_predict.repository import Repository
from ml_predict.rows import Float32s
from ml_predict.scheduler import Scheduler
from ml_predict.shadows import Shadows


class PredictionService:
    """The repository's models, and the scheduler of all that is not computed on the event loop.

    What is computed there was measured when the model was warmed up (`Costs`): no more than 200 µs at once.
    """

    def __init__(
        self, repository: Repository, scheduler: Scheduler, reader: Reader, shadows: Shadows, *, default: str
    ) -> None:
        self.repository = repository
        self._scheduler = scheduler
        self._reader = reader
        self._default = default
        self._shadows = shadows

    async def predict(self, body: bytes, name: str | None = None, gone: Gone | None = None) -> bytes:
        """The answer to `{"instances": [...]}`, as JSON; `gone` tells that the caller has left.

        Raises ModelNotFound, BodyMalformed, BodyInvalid, QueueFull or DeadlinePassed.
        """
        started = perf_counter()
        serving = self.repository.serving(name or self._default)
        model = serving.choose()
        parser = model.rows
        if parser is None:
            raise ModelNotFound(f"The model {model.ref.name} takes tensors only.")
        self._check_room(model)
        rows, explain = await self._reader.read(lambda: parser.parse(body), len(body))
        DRIFT.note(model, rows)
        feeds = {model.input: rows}
        if explain:
            answer = await self._explained(model, rows, gone)
        else:
            computed = await self._computed(model, feeds, model.shown, len(rows), gone)
            answer = model.renderer.render(computed)
            if serving.shadow is not None:
                self._shadows.compare(serving.shadow, feeds, model.shown, computed)
        MODEL_METRICS.answered(model, perf_counter() - started)
        return answer if model is serving.default else by_canary(answer)

    async def _explained(self, model: Model, rows: Float32s, gone: Gone | None) -> bytes:
        explainer = model.explainer
        if explainer is None:
            raise invalid(("explain",), f"the model {model.ref.name} has no explanation on its card")
        if len(rows) > MOST_EXPLAINED:
            raise invalid(("explain",), f"is for at most {MOST_EXPLAINED} instances at once")
        mixed = explainer.coalitions(rows)
        computed = await self._computed(model, {model.input: mixed}, model.shown, len(mixed), gone)
        return model.renderer.render(explainer.plain(computed), explainer.shown(computed, model.card))

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
        started = perf_counter()
        serving = self.repository.serving(name)
        model = serving.choose() if version is None else self.repository.find(name, version)
        self._check_room(model)
        size = len(body) if json_length is None else min(json_length, len(body))
        asked = await self._reader.read(lambda: parse(model, body, json_length), size)
        rows = rows_of(asked.feeds)
        if model.columns:
            DRIFT.note(model, asked.feeds[model.input])
        computed = await self._computed(model, asked.feeds, asked.names, rows, gone, asked.timeout)
        if version is None and serving.shadow is not None:
            self._shadows.compare(serving.shadow, asked.feeds, asked.names, computed)
        answer = render(model, asked, computed)
        MODEL_METRICS.answered(model, perf_counter() - started)
        return answer

    def queues(self, name: str | None) -> bool:
        """True if requests for the model wait for a thread."""
        serving = self.repository.get(name or self._default)
        return serving is not None and not serving.default.inline_rows

    def refusal(self, name: str | None) -> QueueFull | None:
        """The error for a request whose head alone has come, if the model's queue takes no more."""
        return self._scheduler.refusal(self.repository.serving(name or self._default).default)

    def _check_room(self, model: Model) -> None:
        """Raises QueueFull before the body is read: what is refused must cost little."""
        if not model.inline_rows:
            self._scheduler.admit(model)

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
