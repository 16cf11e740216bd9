"""One version of one model: a verified ONNX file, opened once, run many times."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import numpy as np
import onnxruntime as ort
from pydantic import ValidationError

from ml_predict.answers import Array, Renderer
from ml_predict.bounds import Bounds, check_finite, trained_range
from ml_predict.card import Feature, ModelCard
from ml_predict.costs import MANY, Costs, measured
from ml_predict.exceptions import CardDiffers, ModelFileCorrupt, ModelMissing, ModelRefused
from ml_predict.explain import Explainer
from ml_predict.rows import Float32s, RowParser
from ml_predict.schemas import ModelRef
from ml_predict.session import Tensor, described, open_session


class Model:
    """Thread-safe: a session may be run by several threads at once."""

    def __init__(self, session: ort.InferenceSession, card: ModelCard, digest: str = "") -> None:
        self.card = card
        self.digest = digest  # of the card, which has the digest of everything else
        self.ref = ModelRef(name=card.name, version=card.version)
        self.labels = (card.name, card.version)
        self.inputs = tuple(map(described, session.get_inputs()))
        self.outputs = tuple(map(described, session.get_outputs()))
        self.rows = RowParser(card.features) if card.features else None
        self.renderer = Renderer(card)
        self.explainer = Explainer(card.features, card.explanation) if card.explanation else None
        self.shown = [output.name for output in card.outputs]
        self.input = str(card.input)
        self.columns = [feature.name for feature in card.features for _ in range(feature.size)]
        self.trained_low, self.trained_high = trained_range(card.features)
        self.use(Costs(0.0, 0.0))
        self._bounds = Bounds(card.features) if card.features else None
        self._session = session

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open `folder/card.json`, `folder/model.onnx` and, if the card has `weights`, those.

        Raises `ModelMissing`, `ModelFileCorrupt` (unreadable, or not the bytes the card was written for) or
        `CardDiffers`.
        """
        written, card = _read_card(folder)
        path = folder / card.artefact.file
        onnx = _read(path)
        _check_digest(path, hashlib.sha256(onnx).hexdigest(), card.artefact.sha256)
        if card.weights is not None:
            _check_digest(
                folder / card.weights.file, _digest(folder / card.weights.file), card.weights.sha256
            )
        try:
            session = open_session(onnx, folder if card.weights else None)
            model = cls(session, card, hashlib.sha256(written).hexdigest())
        except Exception as error:
            raise ModelFileCorrupt(path, str(error)) from error
        if (difference := model._difference_from_card()) is not None:
            raise CardDiffers(folder / "card.json", difference)
        return model

    def warm_up(self) -> None:
        """Run with one row and with many: the first caller pays for no allocation, and costs are known."""
        examples = {count: self.example(count) for count in (1, MANY)}
        self.use(measured(lambda count: self.run(examples[count])))

    def use(self, costs: Costs) -> None:
        """Let `costs` decide: few rows inline, more in a thread, and gathered if that pays.

        Gathering also needs a row in every tensor for each row of a request.
        """
        tensors = (*self.inputs, *self.outputs)
        self.costs = costs
        self.batches = costs.batching_pays and all(tensor.shape[:1] == (-1,) for tensor in tensors)
        self.inline_rows = 0 if self.batches else costs.inline_rows

    def probe(self) -> None:
        """Run one row; an error if the session has broken."""
        self.run(self.example(1))

    def run(self, feeds: Mapping[str, Array], outputs: Sequence[str] | None = None) -> list[Array]:
        """The named outputs, or all of the graph's, in order.

        Raises ModelRefused when a graph without features cannot compute these inputs.
        """
        try:
            computed: list[Array] = self._session.run(outputs, feeds)
        except Exception as error:
            if self._bounds is not None:
                raise
            raise ModelRefused("Its graph cannot compute these tensors.") from error
        return computed

    def predict(self, rows: Float32s) -> list[Array]:
        """The outputs that the card shows, for encoded rows."""
        return self.run({self.input: rows}, self.shown)

    def check(self, feeds: Mapping[str, Array]) -> None:
        """Raises BodyInvalid for tensors that hold what the card rules out, NaN and infinity among it."""
        if self._bounds is not None:
            self._bounds.check(feeds[self.input])
        elif not self.card.allow_nan:
            check_finite(feeds)

    def example(self, count: int) -> dict[str, Array]:
        """`count` rows that the model can compute: the middle of each feature's range, else zeros."""
        made = {each.name: _zeros(each, count) for each in self.inputs}
        if self.card.input is not None:
            row = [value for feature in self.card.features for value in [_middle(feature)] * feature.size]
            made[self.card.input] = np.tile(np.array(row, made[self.card.input].dtype), (count, 1))
        return made

    def _difference_from_card(self) -> str | None:
        card = self.card
        if card.input is not None:
            found = next((each for each in self.inputs if each.name == card.input), None)
            if found is None or found.dtype != np.float32 or found.shape not in {(-1, card.width), (-1, -1)}:
                return f"there is no input {card.input}, float32 [N, {card.width}]"
            if len(self.inputs) > 1:
                return "a graph with features has one input"
        for output in card.outputs:
            shape = next((each.shape for each in self.outputs if each.name == output.name), None)
            if shape is None:
                return f"there is no output {output.name}"
            if output.columns and shape[1:] not in {(len(output.columns),), (-1,)}:
                return f"output {output.name} has not {len(output.columns)} columns"
        return None


def read_card(folder: Path) -> ModelCard:
    """The folder's card. Raises `ModelMissing` or `ModelFileCorrupt`."""
    return _read_card(folder)[1]


def _read_card(folder: Path) -> tuple[bytes, ModelCard]:
    path = folder / "card.json"
    written = _read(path)
    try:
        return written, ModelCard.model_validate_json(written)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ModelFileCorrupt(path, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _zeros(tensor: Tensor, count: int) -> Array:
    rest = [max(size, 1) for size in tensor.shape[1:]]
    shape = [count if tensor.shape[0] == -1 else tensor.shape[0], *rest] if tensor.shape else []
    return np.full(shape, "", np.object_) if tensor.dtype == np.object_ else np.zeros(shape, tensor.dtype)


def _middle(feature: Feature) -> float:
    if feature.trained_range is not None:
        return sum(feature.trained_range) / 2
    low = next((bound for bound in (feature.gt, feature.ge) if bound is not None), None)
    high = next((bound for bound in (feature.lt, feature.le) if bound is not None), None)
    if low is not None and high is not None:
        return (low + high) / 2
    return low + 1 if low is not None else high - 1 if high is not None else 0.0


def _check_digest(path: Path, found: str, expected: str) -> None:
    if found != expected:
        raise ModelFileCorrupt(path, f"its SHA-256 is {found}, the card says {expected}")


def _read(path: Path) -> bytes:
    with _readable(path):
        return path.read_bytes()


def _digest(path: Path) -> str:
    """SHA-256 of a file that may be larger than what should be held in memory."""
    with _readable(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise ModelMissing(path) from error
    except OSError as error:
        raise ModelFileCorrupt(path, str(error)) from error
