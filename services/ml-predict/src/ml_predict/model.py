"""The price model: a verified ONNX file, opened once, asked many times."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self, get_args

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from pydantic import ValidationError

from ml_predict.card import IntervalFacts, ModelCard
from ml_predict.exceptions import FeaturesDiffer, ModelFileCorrupt, ModelMissing
from ml_predict.features import CLARITY_COLUMN, FEATURES, Clarity, Row, encode
from ml_predict.schemas import ModelRef, Prediction

Float32s = NDArray[np.float32]
Float64s = NDArray[np.float64]

_NOTHING: Final = np.zeros((1, len(FEATURES)), dtype=np.float32)


class PriceModel:
    """Prices of diamonds in USD. Thread-safe: a session may be run by several threads at once."""

    def __init__(self, session: ort.InferenceSession, interval: IntervalFacts, ref: ModelRef) -> None:
        self.ref = ref
        self._session = session
        self._half_widths = np.array([interval.half_widths[grade] for grade in get_args(Clarity)])

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open `folder/card.json` and `folder/model.onnx`.

        Raises `ModelMissing`, `ModelFileCorrupt` (unreadable, or not the bytes the card was written for) or
        `FeaturesDiffer`.
        """
        card = read_card(folder)
        path = folder / card.artefact.file
        onnx = _read(path)
        digest = hashlib.sha256(onnx).hexdigest()
        if digest != card.artefact.sha256:
            raise ModelFileCorrupt(path, f"its SHA-256 is {digest}, the card says {card.artefact.sha256}")
        try:
            session = open_session(onnx)
        except Exception as error:
            raise ModelFileCorrupt(path, str(error)) from error
        return cls(session, card.interval, ModelRef(name=card.name, version=card.version))

    def warm_up(self) -> None:
        """Run once with one row and once with many, so that the first caller pays for no allocation."""
        for count in (1, 100):
            self.prices(np.zeros((count, len(FEATURES)), dtype=np.float32))

    def probe(self) -> None:
        """Price one diamond of nothing: 15 µs, and an error if the session has broken."""
        self.prices(_NOTHING)

    def predict(self, rows: Sequence[Row]) -> list[Prediction]:
        """One prediction per row, in order."""
        prices = self.prices(encode(rows)).round(2)
        return [Prediction(estimate=estimate, low=low, high=high) for low, estimate, high in prices.tolist()]

    def prices(self, encoded: Float32s) -> Float64s:
        """Low, estimate and high in USD, shape [N, 3], for encoded rows of shape [N, 9]."""
        half_widths = self._half_widths[encoded[:, CLARITY_COLUMN].astype(np.intp)]
        estimates = log_usd(self._session, encoded)
        logarithms = np.stack((estimates - half_widths, estimates, estimates + half_widths), axis=1)
        prices: Float64s = np.exp(logarithms)
        return prices


def read_card(folder: Path) -> ModelCard:
    """The folder's card, checked to fit the features of this service."""
    path = folder / "card.json"
    try:
        card = ModelCard.model_validate_json(_read(path))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ModelFileCorrupt(path, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    difference = card.difference_from_service()
    if difference is not None:
        raise FeaturesDiffer(path, difference)
    return card


def open_session(onnx: bytes) -> ort.InferenceSession:
    """A CPU session that computes in the calling thread: workers are processes, so none starts threads."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return ort.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])


def log_usd(session: ort.InferenceSession, encoded: Float32s) -> Float64s:
    """The graph's answer, shape [N], in natural log of USD."""
    (output,) = session.run(["log_usd"], {"features": encoded})
    flat: Float64s = output[:, 0].astype(np.float64)
    return flat


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ModelMissing(path) from error
    except OSError as error:
        raise ModelFileCorrupt(path, str(error)) from error
