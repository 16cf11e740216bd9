"""Calibrating the interval and measuring the model, both on rows it was not trained on."""

import math
from itertools import pairwise
from typing import Final

import numpy as np
import onnxruntime as ort
import pandas as pd
from numpy.typing import NDArray

from ml_predict.rows import Float32s
from ml_training.card import IntervalFacts, Metrics
from ml_training.data import arrays
from ml_training.features import CLARITIES, CLARITY_COLUMN
from ml_training.fit import Float64s, log_usd

LEVEL: Final = 0.9
METHOD: Final = "Mondrian split conformal prediction by clarity grade, on absolute errors in log USD"
LITERATURE: Final = (
    "Lei, G'Sell, Rinaldo, Tibshirani, Wasserman: Distribution-Free Predictive Inference for Regression, "
    "JASA 113 (2018), algorithm 2; by category: Vovk, Gammerman, Shafer: Algorithmic Learning in a Random "
    "World (2005), chapter 4"
)
CARAT_BANDS: Final = (0.0, 0.5, 1.0, 1.5, 2.0, 20.0)


class CalibrationTooSmall(Exception):
    """A clarity grade has too few calibration rows for an interval of the wanted level."""


def calibrate(session: ort.InferenceSession, calibration: pd.DataFrame) -> IntervalFacts:
    """Half widths in log USD: per clarity grade, the ceil((n + 1) * level)-th smallest of its n errors.

    By grade, since one width for all covers flawed stones (I1) far less often than the level says. Raises
    `CalibrationTooSmall`.
    """
    features, prices = arrays(calibration)
    errors = np.abs(log_usd(session, features) - np.log(prices))
    by_clarity = {grade: errors[_has_clarity(features, grade)] for grade in CLARITIES}
    return IntervalFacts(
        method=METHOD,
        source=LITERATURE,
        level=LEVEL,
        calibration_rows={grade: len(of_grade) for grade, of_grade in by_clarity.items()},
        half_widths={grade: _half_width(of_grade, grade) for grade, of_grade in by_clarity.items()},
    )


def measure(session: ort.InferenceSession, held_out: pd.DataFrame) -> Metrics:
    """How good the model's prices are, in USD, on the rows it never saw."""
    features, prices = arrays(held_out)
    estimate, low, high = session.run(["prices"], {"features": features})[0].T
    errors = estimate - prices
    covered = (low <= prices) & (prices <= high)
    carat = features[:, 0]
    return Metrics(
        n=len(prices),
        r2=_fact(1 - (errors**2).sum() / ((prices - prices.mean()) ** 2).sum()),
        mae_usd=_fact(np.abs(errors).mean()),
        mape=_fact((np.abs(errors) / prices).mean()),
        coverage=_fact(covered.mean()),
        coverage_by_clarity={
            grade: _fact(covered[_has_clarity(features, grade)].mean()) for grade in CLARITIES
        },
        coverage_by_carat={
            f"above {above:g} to {to:g}": _fact(covered[(carat > above) & (carat <= to)].mean())
            for above, to in pairwise(CARAT_BANDS)
        },
    )


def _has_clarity(features: Float32s, grade: str) -> NDArray[np.bool_]:
    of_grade: NDArray[np.bool_] = features[:, CLARITY_COLUMN] == CLARITIES.index(grade)
    return of_grade


def _half_width(errors: Float64s, grade: str) -> float:
    rank = math.ceil((len(errors) + 1) * LEVEL)
    if rank > len(errors):
        raise CalibrationTooSmall(
            f"{len(errors)} calibration rows of clarity {grade} are too few for {LEVEL:.0%}"
        )
    return _fact(np.sort(errors)[rank - 1])


def _fact(value: float) -> float:
    """Six decimals: what a card can state and a second measurement on another machine can meet."""
    return round(float(value), 6)
