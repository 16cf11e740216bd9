"""Gathering what the card says about features, data and artefact."""

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml_predict.card import Feature
from ml_training import data, fit
from ml_training.card import ArtefactFacts, DataFacts
from ml_training.features import FEATURES, encode

if TYPE_CHECKING:
    from sklearn.ensemble import GradientBoostingRegressor


def artefact_facts(
    regressor: "GradientBoostingRegressor", onnx: bytes, held_out: pd.DataFrame
) -> ArtefactFacts:
    """Raises `fit.ConversionDiffers` when the graph and the regressor do not agree on the held-out rows."""
    features, _ = data.arrays(held_out)
    return ArtefactFacts(
        sha256=hashlib.sha256(onnx).hexdigest(),
        bytes=len(onnx),
        framework="scikit-learn GradientBoostingRegressor, converted by skl2onnx",
        opsets={domain or "ai.onnx": opset for domain, opset in fit.OPSETS.items()},
        trees=len(regressor.estimators_),
        nodes=fit.count_nodes(regressor),
        largest_difference_log_usd=fit.largest_difference(regressor, onnx, features),
        tolerance_log_usd=fit.TOLERANCE,
    )


def feature_facts(train: pd.DataFrame) -> tuple[Feature, ...]:
    """One per column of the model's input, in order."""
    return tuple(_feature_facts(feature, train[feature.name]) for feature in FEATURES)


def _feature_facts(feature: Feature, column: "pd.Series[float]") -> Feature:
    if feature.categories:
        return feature
    seen = (float(column.min()), float(column.max()))
    return feature.model_copy(update={"trained_range": seen})


def data_facts(table: pd.DataFrame, cleaned: data.Cleaned, split: data.Split) -> DataFacts:
    """Where every row of `table` went."""
    kept = cleaned.table
    measured_depth = 200 * kept["z"] / (kept["x"] + kept["y"])
    prices = kept["price"].groupby(data.stones(kept))
    ratios = (prices.max() / prices.min())[prices.size() > 1]
    return DataFacts(
        source=data.SOURCE,
        sha256=data.digest(table),
        rows_read=len(table),
        dropped_duplicates=cleaned.duplicates,
        dropped_zero_dimension=cleaned.zero_dimension,
        dropped_out_of_bounds=cleaned.out_of_bounds,
        kept=len(kept),
        kept_depth_contradicts_dimensions=int((np.abs(measured_depth - kept["depth"]) > 1).sum()),
        stones=prices.ngroups,
        relisted_price_ratio_median=round(float(ratios.median()), 4),
        train=len(split.train),
        calibration=len(split.calibration),
        held_out=len(split.held_out),
    )


def typical_row(train: pd.DataFrame) -> tuple[float, ...]:
    """The real stone, encoded, that is nearest to the median of every feature."""
    rows = encode(train).astype(np.float64)
    distance = ((rows - np.median(rows, axis=0)) / rows.std(axis=0)) ** 2
    nearest: list[float] = rows[np.argmin(distance.sum(axis=1))].round(4).tolist()
    return tuple(nearest)
