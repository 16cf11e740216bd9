"""The model card as data: written by the training, read and believed only after checks by the service."""

from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ml_predict.features import FEATURES, Clarity

Share = Annotated[float, Field(ge=0, le=1)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Facts(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class FeatureFacts(_Facts):
    """One input column. `categories` for grades, worst first; `trained_range` for numbers."""

    name: str
    type: Literal["number", "category"]
    unit: str
    categories: tuple[str, ...] | None = None
    trained_range: tuple[float, float] | None = None


class TargetFacts(_Facts):
    """What is estimated, and in which scale the graph gives it out."""

    name: str = "price"
    unit: str = "USD"
    output: Literal["log_usd"] = "log_usd"


class IntervalFacts(_Facts):
    """`exp(log_usd ± half_width)`, with a half width per clarity grade, in log USD."""

    method: str
    source: str
    level: Share
    calibration_rows: dict[Clarity, int]
    half_widths: dict[Clarity, Annotated[float, Field(ge=0)]]

    @model_validator(mode="after")
    def _every_grade_has_a_width(self) -> Self:
        missing = [grade for grade in get_args(Clarity) if grade not in self.half_widths]
        if missing:
            raise ValueError(f"no half width for {', '.join(missing)}")
        return self


class Metrics(_Facts):
    """Measured on the held-out split, on prices in USD. `coverage` is the share inside the interval."""

    n: int
    r2: float
    mae_usd: float
    mape: float
    coverage: Share
    coverage_by_clarity: dict[str, Share]
    coverage_by_carat: dict[str, Share]


class DataFacts(_Facts):
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


class ArtefactFacts(_Facts):
    """The file beside this card."""

    file: Literal["model.onnx"] = "model.onnx"
    sha256: Sha256
    bytes: int
    framework: str
    opsets: dict[str, int]
    trees: int
    nodes: int
    largest_difference_log_usd: float
    tolerance_log_usd: float


class ModelCard(_Facts):
    """Everything that has to be known about one version of a model."""

    name: str
    version: str
    artefact: ArtefactFacts
    features: tuple[FeatureFacts, ...]
    target: TargetFacts
    interval: IntervalFacts
    metrics: Metrics
    data: DataFacts
    recipe: dict[str, float | int]
    seed: int
    libraries: dict[str, str]

    def difference_from_service(self) -> str | None:
        """What keeps this service from encoding rows for the model, or None."""
        for position, (ours, theirs) in enumerate(zip(FEATURES, self.features, strict=False)):
            if (theirs.name, theirs.unit, theirs.categories or ()) != ours:
                return f"feature {position} is {ours.name} here, {theirs.name} there, or has other grades"
        if len(self.features) != len(FEATURES):
            return f"{len(FEATURES)} features here, {len(self.features)} there"
        return None
