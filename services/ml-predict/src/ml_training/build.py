"""From the table to a model version on disk: fit, convert, calibrate, measure; refuse what is not good."""

import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import pandas as pd

from ml_predict.card import Explanation, Output
from ml_predict.session import open_session
from ml_training import data, fit
from ml_training.card import Metrics, PriceCard
from ml_training.document import document
from ml_training.facts import artefact_facts, data_facts, feature_facts, typical_row
from ml_training.files import write_version
from ml_training.graph import COLUMNS, with_prices
from ml_training.measure import calibrate, measure

NAME: Final = "diamond-price"
VERSION: Final = "1"
MINIMUM_R2: Final = 0.97
LIBRARIES: Final = ("numpy", "onnx", "onnxruntime", "pandas", "plotnine", "scikit-learn", "skl2onnx")
DEFAULT_RECIPE: Final = fit.Recipe()


class ModelTooWeak(Exception):
    """The trained model misses the least quality it may be published with."""


@dataclass(frozen=True)
class Build:
    """A model version that is good enough to be written, and the rows it never saw."""

    onnx: bytes
    card: PriceCard
    held_out: pd.DataFrame

    def write(self, repository: Path) -> Path:
        """Write `repository/<name>/<version>/{model.onnx,card.json,card.md}`; the folder is returned."""
        folder = write_version(repository, self.onnx, self.card)
        (folder / "card.md").write_text(document(self.card), encoding="utf-8")
        return folder


def build(table: pd.DataFrame, recipe: fit.Recipe = DEFAULT_RECIPE, minimum_r2: float = MINIMUM_R2) -> Build:
    """Train on `table` and describe the result; equal tables and recipes give equal bytes.

    Raises `ModelTooWeak`, `fit.ConversionDiffers` or `measure.CalibrationTooSmall` rather than return
    something that should not be published.
    """
    cleaned = data.clean(table)
    split = data.split(cleaned.table)
    regressor = fit.fit(recipe, *data.arrays(split.train), data.SEED)
    trees = fit.convert(regressor, NAME)
    interval = calibrate(open_session(trees), split.calibration)
    onnx = with_prices(trees, interval.half_widths)
    card = PriceCard(
        name=NAME,
        version=VERSION,
        artefact=artefact_facts(regressor, onnx, split.held_out),
        features=feature_facts(split.train),
        input="features",
        outputs=(Output(name="prices", columns=COLUMNS, unit="USD", decimals=2),),
        explanation=Explanation(output="prices", background=(typical_row(split.train),)),
        interval=interval,
        metrics=_good_enough(measure(open_session(onnx), split.held_out), minimum_r2),
        data=data_facts(table, cleaned, split),
        recipe=recipe.facts(),
        seed=data.SEED,
        libraries={"python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
    )
    return Build(onnx, card, split.held_out)


def _good_enough(metrics: Metrics, minimum_r2: float) -> Metrics:
    if not metrics.r2 >= minimum_r2:  # so written, NaN is refused too
        raise ModelTooWeak(f"R2 on held-out prices is {metrics.r2:.4f}, at least {minimum_r2} is needed")
    return metrics
