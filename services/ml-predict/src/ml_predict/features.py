"""The feature schema: the order, units and encoding of what the price model reads."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from ml_predict.exceptions import FeatureInvalid

# Each in order of quality, worst first: a category is encoded as its position.
Cut = Literal["Fair", "Good", "Very Good", "Premium", "Ideal"]
Color = Literal["J", "I", "H", "G", "F", "E", "D"]
Clarity = Literal["I1", "SI2", "SI1", "VS2", "VS1", "VVS2", "VVS1", "IF"]

Row = BaseModel | Mapping[str, Any]


class Feature(NamedTuple):
    """One column of the model's input; `categories` is empty for a number."""

    name: str
    unit: str
    categories: tuple[str, ...] = ()


FEATURES: Final = (
    Feature("carat", "ct"),
    Feature("cut", "grade", get_args(Cut)),
    Feature("color", "grade", get_args(Color)),
    Feature("clarity", "grade", get_args(Clarity)),
    Feature("depth", "%"),
    Feature("table", "%"),
    Feature("x", "mm"),
    Feature("y", "mm"),
    Feature("z", "mm"),
)
FEATURE_NAMES: Final = tuple(feature.name for feature in FEATURES)
CLARITY_COLUMN: Final = FEATURE_NAMES.index("clarity")

_ENCODERS: Final = tuple(
    (feature.name, {category: float(code) for code, category in enumerate(feature.categories)})
    for feature in FEATURES
)


def encode(rows: Sequence[Row]) -> NDArray[np.float32]:
    """The model's input: float32, shape [len(rows), 9], columns in the order of `FEATURES`.

    Numbers are taken as they are: rows from outside are `DiamondFeatures` first. A plain mapping that lacks
    a feature or holds an unknown category raises `FeatureInvalid`.
    """
    encoded = [_encode_row(number, row) for number, row in enumerate(rows)]
    return np.array(encoded, dtype=np.float32).reshape(len(encoded), len(FEATURES))


def _encode_row(number: int, row: Row) -> list[float]:
    values = row if isinstance(row, Mapping) else vars(row)
    try:
        return [codes[values[name]] if codes else values[name] for name, codes in _ENCODERS]
    except KeyError:
        raise _invalid(number, values) from None


def _invalid(number: int, values: Mapping[str, Any]) -> FeatureInvalid:
    for name, codes in _ENCODERS:
        if name not in values:
            return FeatureInvalid(number, name, "missing")
        if codes and values[name] not in codes:
            return FeatureInvalid(number, name, f"not one of {', '.join(codes)}")
    raise AssertionError("a row without a fault was refused")
