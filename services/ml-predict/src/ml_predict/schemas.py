"""Wire models that are the same for every model; what a model takes and gives follows from its card."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field


class ModelRef(BaseModel):
    """Which model answered."""

    model_config = ConfigDict(frozen=True)

    name: str
    version: str


class PredictResponse(BaseModel):
    """Predictions in the order of the instances. Their members are the outputs on the model's card.

    JSON numbers: an estimate is a measurement, it becomes money (`Decimal`) where somebody agrees on it.
    """

    model: ModelRef
    canary: Annotated[
        bool, Field(description="True for an answer of a canary, not of the default version. Else left out.")
    ] = False
    predictions: list[dict[str, Any]]
