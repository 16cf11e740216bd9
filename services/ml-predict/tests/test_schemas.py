"""What is let in, and how a refusal names the field."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from ml_predict.schemas import DiamondFeatures, PredictRequest


def refusal(diamond: dict[str, Any], **changes: Any) -> tuple[tuple[int | str, ...], str]:
    with pytest.raises(ValidationError) as caught:
        PredictRequest.model_validate({"instances": [diamond, diamond | changes]})
    (error,) = caught.value.errors()
    return error["loc"], error["type"]


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("carat", float("nan"), "finite_number"),
        ("z", float("inf"), "finite_number"),
        ("depth", float("-inf"), "finite_number"),
        ("carat", 0, "greater_than"),
        ("carat", 20.01, "less_than_equal"),
        ("x", -1.0, "greater_than"),
        ("y", 58.9, "less_than_equal"),
        ("table", 101, "less_than_equal"),
        ("carat", "0.5", "float_type"),
        ("carat", True, "float_type"),
        ("carat", None, "float_type"),
        ("cut", "Superb", "literal_error"),
        ("color", "d", "literal_error"),
        ("clarity", 3, "literal_error"),
        ("polish", "Good", "extra_forbidden"),
    ],
)
def test_a_bad_value_is_refused_by_row_and_name(
    diamond: dict[str, Any], field: str, value: Any, kind: str
) -> None:
    assert refusal(diamond, **{field: value}) == (("instances", 1, field), kind)


def test_nan_in_json_is_refused_too(diamond: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="carat"):
        DiamondFeatures.model_validate_json(json.dumps(diamond | {"carat": float("nan")}))


@pytest.mark.parametrize("field", DiamondFeatures.model_fields)
def test_every_feature_is_required_and_named_when_missing(diamond: dict[str, Any], field: str) -> None:
    del diamond[field]
    with pytest.raises(ValidationError) as caught:
        PredictRequest.model_validate({"instances": [diamond]})
    assert [error["loc"] for error in caught.value.errors()] == [("instances", 0, field)]


def test_an_integer_is_a_number(diamond: dict[str, Any]) -> None:
    assert DiamondFeatures.model_validate(diamond | {"carat": 1}).carat == 1.0


@pytest.mark.parametrize("count", [1, 1000])
def test_up_to_a_thousand_diamonds_are_taken(diamond: dict[str, Any], count: int) -> None:
    assert len(PredictRequest.model_validate({"instances": [diamond] * count}).instances) == count


@pytest.mark.parametrize(("count", "kind"), [(0, "too_short"), (1001, "too_long")])
def test_none_and_more_than_a_thousand_are_refused(diamond: dict[str, Any], count: int, kind: str) -> None:
    with pytest.raises(ValidationError) as caught:
        PredictRequest.model_validate({"instances": [diamond] * count})
    assert [(error["loc"], error["type"]) for error in caught.value.errors()] == [(("instances",), kind)]
