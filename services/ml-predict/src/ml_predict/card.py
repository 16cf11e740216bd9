"""The model card as data: what goes in, what comes out, and how good the model is."""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

MOST_EXPLAINABLE: Final = 10  # features: 1,024 coalitions
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Facts(BaseModel):
    """A part of a card. Members that the server does not know are kept: they are for people."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)


class Feature(Facts):
    """One named input: a number, several numbers (`size`), or one of `categories`, encoded as its position.

    `gt`, `ge`, `lt` and `le` are what can be true at all; values outside are refused. `trained_range` is what
    the model has seen.
    """

    name: Annotated[str, Field(min_length=1)]
    type: Literal["number", "category"]
    unit: str = ""
    description: str = ""
    categories: tuple[str, ...] | None = None
    size: Annotated[int, Field(ge=1)] = 1
    gt: float | None = None
    ge: float | None = None
    lt: float | None = None
    le: float | None = None
    trained_range: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _categories_belong_to_categories(self) -> Self:
        if (self.type == "category") != bool(self.categories):
            raise ValueError(f"{self.name}: a category has `categories`, a number has none")
        if self.categories and self.size != 1:
            raise ValueError(f"{self.name}: a category has size 1")
        return self


class Output(Facts):
    """One tensor of the graph that `POST /predict` shows, whole or as named columns.

    `decimals` rounds what is shown; the tensor itself is never rounded.
    """

    name: str
    columns: tuple[str, ...] | None = None
    unit: str = ""
    description: str = ""
    decimals: int | None = None


class Explanation(Facts):
    """Which number `explain` is about, and the rows (encoded, as the tensor has them) it is compared with."""

    output: str
    column: Annotated[int, Field(ge=0)] = 0
    background: Annotated[tuple[tuple[float, ...], ...], Field(min_length=1, max_length=16)]


class Artefact(Facts):
    """The file beside this card."""

    file: Literal["model.onnx"] = "model.onnx"
    sha256: Sha256
    bytes: int


class Weights(Facts):
    """The graph's external data: a file beside it that all workers map into memory."""

    file: Literal["model.onnx.data"] = "model.onnx.data"
    sha256: Sha256
    bytes: int


class ModelCard(Facts):
    """One version of one model.

    `features` are the columns of the tensor `input`, in order. A model without features takes tensors only;
    `allow_nan` lets NaN and infinity into those.
    """

    name: str
    version: str
    artefact: Artefact
    weights: Weights | None = None
    input: str | None = None
    features: tuple[Feature, ...] = ()
    outputs: tuple[Output, ...] = ()
    allow_nan: bool = False
    explanation: Explanation | None = None
    metrics: Any = None

    @property
    def width(self) -> int:
        """Columns of `input`."""
        return sum(feature.size for feature in self.features)

    @model_validator(mode="after")
    def _features_have_a_tensor_and_names_of_their_own(self) -> Self:
        if bool(self.features) != (self.input is not None):
            raise ValueError("`input` names the tensor of the features: both or neither")
        if self.explanation is not None:
            self._check_explanation(self.explanation)
        names = [feature.name for feature in self.features]
        if len(set(names)) != len(names):
            raise ValueError("two features have one name")
        return self

    def _check_explanation(self, explanation: Explanation) -> None:
        if not 0 < len(self.features) <= MOST_EXPLAINABLE:
            raise ValueError(f"an explanation needs 1 to {MOST_EXPLAINABLE} features")
        if explanation.output not in [output.name for output in self.outputs]:
            raise ValueError("`explanation` names an output that is not shown")
        if any(len(row) != self.width for row in explanation.background):
            raise ValueError(f"a row of `explanation.background` has not {self.width} numbers")
