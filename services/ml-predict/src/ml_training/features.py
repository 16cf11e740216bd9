"""What the price model reads: the order, units, bounds and encoding of a diamond's features."""

from typing import Final

import numpy as np
import pandas as pd

from ml_predict.card import Feature
from ml_predict.rows import Float32s

# Each in order of quality, worst first: a category is encoded as its position.
CUTS: Final = ("Fair", "Good", "Very Good", "Premium", "Ideal")
COLORS: Final = ("J", "I", "H", "G", "F", "E", "D")
CLARITIES: Final = ("I1", "SI2", "SI1", "VS2", "VS1", "VVS2", "VVS1", "IF")

# The bounds are physical, wider than what the model has seen; its card holds that range too.
FEATURES: Final = (
    Feature(name="carat", type="number", unit="ct", description="Weight in carats (0.2 g)", gt=0, le=20),
    Feature(name="cut", type="category", unit="grade", description="Quality of the cut", categories=CUTS),
    Feature(
        name="color",
        type="category",
        unit="grade",
        description="Colour grade; D is colourless",
        categories=COLORS,
    ),
    Feature(
        name="clarity",
        type="category",
        unit="grade",
        description="Clarity grade; IF is flawless inside",
        categories=CLARITIES,
    ),
    Feature(
        name="depth", type="number", unit="%", description="Height as % of the mean diameter", ge=30, le=90
    ),
    Feature(
        name="table",
        type="number",
        unit="%",
        description="Width of the top facet as % of the diameter",
        ge=30,
        le=100,
    ),
    Feature(name="x", type="number", unit="mm", description="Length in mm", gt=0, le=30),
    Feature(name="y", type="number", unit="mm", description="Width in mm", gt=0, le=30),
    Feature(name="z", type="number", unit="mm", description="Height in mm", gt=0, le=20),
)
FEATURE_NAMES: Final = tuple(feature.name for feature in FEATURES)
CLARITY_COLUMN: Final = FEATURE_NAMES.index("clarity")


def encode(table: pd.DataFrame) -> Float32s:
    """The model's input: float32, shape [N, 9], columns in the order of `FEATURES`."""
    return np.column_stack([_column(feature, table[feature.name]) for feature in FEATURES]).astype(np.float32)


def _column(feature: Feature, values: "pd.Series[float]") -> "pd.Series[float]":
    if not feature.categories:
        return values
    return values.map({category: code for code, category in enumerate(feature.categories)})
