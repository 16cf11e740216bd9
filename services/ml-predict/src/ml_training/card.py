"""The price model's card: what every card says, and the facts of this model's interval, data and training."""

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from ml_predict.card import Artefact, Facts, ModelCard, Sha256
from ml_training.features import CLARITIES

Share = Annotated[float, Field(ge=0, le=1)]


class _Complete(Facts):
    model_config = ConfigDict(extra="forbid")


class IntervalFacts(_Complete):
    """`exp(log_usd ± half_width)`, with a half width per clarity grade, in log USD."""

    method: str
    source: str
    level: Share
    calibration_rows: dict[str, int]
    half_widths: dict[str, Annotated[float, Field(ge=0)]]

    @model_validator(mode="after")
    def _every_grade_has_a_width(self) -> Self:
        missing = [grade for grade in CLARITIES if grade not in self.half_widths]
        if missing:
            raise ValueError(f"no half width for {', '.join(missing)}")
        return self


class Metrics(_Complete):
    """Measured on the held-out split, on prices in USD. `coverage` is the share inside the interval."""

    n: int
    r2: float
    mae_usd: float
    mape: float
    coverage: Share
    coverage_by_clarity: dict[str, Share]
    coverage_by_carat: dict[str, Share]


class DataFacts(_Complete):
    """Where the rows came from and where each of them went."""

    source: str
    sha256: Sha256
    rows_read: int
    dropped_duplicates: int
    dropped_zero_dimension: int
    dropped_out_of_bounds: int
    kept: int
    kept_depth_contradicts_dimensions: int
    stones: int
    relisted_price_ratio_median: float
    train: int
    calibration: int
    held_out: int


class ArtefactFacts(Artefact):
    """The file beside this card."""

    framework: str
    opsets: dict[str, int]
    trees: int
    nodes: int
    largest_difference_log_usd: float
    tolerance_log_usd: float


class PriceCard(ModelCard):
    """Everything that has to be known about one version of the price model."""

    artefact: ArtefactFacts
    interval: IntervalFacts
    metrics: Metrics
    data: DataFacts
    recipe: dict[str, Any]
    seed: int
    libraries: dict[str, str]
