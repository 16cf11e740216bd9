"""Wire models: the diamonds that come in and the prices that go out."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ml_predict.features import Clarity, Color, Cut

MAX_INSTANCES = 1000


class DiamondFeatures(BaseModel):
    """One round diamond.

    Strict: `true` and `"0.5"` are refused, an integer such as `1` is a number. A caller whose types have
    slipped has probably slipped elsewhere too, and a price would hide it. The bounds are physical, wider than
    what the model has seen (its card holds that range); NaN and infinity are never numbers here.
    """

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)

    carat: Annotated[float, Field(gt=0, le=20, description="Weight in carats (0.2 g)")]
    cut: Annotated[Cut, Field(description="Quality of the cut")]
    color: Annotated[Color, Field(description="Colour grade; D is colourless")]
    clarity: Annotated[Clarity, Field(description="Clarity grade; IF is flawless inside")]
    depth: Annotated[float, Field(ge=30, le=90, description="Height as % of the mean diameter")]
    table: Annotated[float, Field(ge=30, le=100, description="Width of the top facet as % of the diameter")]
    x: Annotated[float, Field(gt=0, le=30, description="Length in mm")]
    y: Annotated[float, Field(gt=0, le=30, description="Width in mm")]
    z: Annotated[float, Field(gt=0, le=20, description="Height in mm")]


class PredictRequest(BaseModel):
    """Up to a thousand diamonds; one bad diamond refuses them all and is named."""

    model_config = ConfigDict(extra="forbid")

    instances: Annotated[list[DiamondFeatures], Field(min_length=1, max_length=MAX_INSTANCES)]


class Prediction(BaseModel):
    """A price in USD, to the cent, and its 90 % interval: `low <= estimate <= high`.

    JSON numbers: an estimate is a measurement, it becomes money (`Decimal`) where somebody agrees on it.
    """

    model_config = ConfigDict(frozen=True)

    estimate: float
    low: float
    high: float


class ModelRef(BaseModel):
    """Which model answered."""

    model_config = ConfigDict(frozen=True)

    name: str
    version: str


class PredictResponse(BaseModel):
    """Predictions in the order of the instances."""

    model: ModelRef
    predictions: list[Prediction]
