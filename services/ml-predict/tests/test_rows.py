"""What is let in, how a refusal names the field, and what the model's input is made of."""

import json
from typing import Any

import numpy as np
import pytest

from ml_predict.card import Feature
from ml_predict.exceptions import BodyInvalid, BodyMalformed
from ml_predict.rows import RowParser
from ml_training.features import FEATURE_NAMES, FEATURES

PARSER = RowParser(FEATURES)
Place = tuple[int | str, ...]


def body(*rows: Any) -> bytes:
    return json.dumps({"instances": rows}).encode()


def refusal(sent: bytes, parser: RowParser = PARSER) -> list[tuple[Place, str]]:
    with pytest.raises(BodyInvalid) as caught:
        parser.parse(sent)
    return [(tuple(error["loc"]), error["type"]) for error in caught.value.extra["errors"]]


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
    assert refusal(body(diamond, diamond | {field: value})) == [(("body", "instances", 1, field), kind)]


@pytest.mark.parametrize("field", FEATURE_NAMES)
def test_every_feature_is_required_and_named_when_missing(diamond: dict[str, Any], field: str) -> None:
    del diamond[field]
    assert refusal(body(diamond)) == [(("body", "instances", 0, field), "missing")]


def test_a_thousand_bad_rows_cost_no_more_than_one() -> None:
    """To name what a thousand empty rows lack took 68 ms of the event loop for 4 KB."""
    places = [place for place, _ in refusal(body(*[{}] * 1000))]
    assert places == [("body", "instances", 0, name) for name in FEATURE_NAMES]


def test_a_flood_of_unknown_fields_is_one_fault(diamond: dict[str, Any]) -> None:
    sent = body(diamond | {f"field{number}": 1 for number in range(20_000)})
    assert refusal(sent) == [(("body",), "too_many_faults")]


@pytest.mark.parametrize("count", [1, 1000])
def test_up_to_a_thousand_rows_are_taken(diamond: dict[str, Any], count: int) -> None:
    assert PARSER.parse(body(*[diamond] * count)).rows.shape == (count, len(FEATURES))


@pytest.mark.parametrize(("count", "kind"), [(0, "too_short"), (1001, "too_long")])
def test_none_and_more_than_a_thousand_are_refused(diamond: dict[str, Any], count: int, kind: str) -> None:
    assert refusal(body(*[diamond] * count)) == [(("body", "instances"), kind)]


@pytest.mark.parametrize("sent", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"instances": [{"carat": 1'])
def test_what_is_no_json_is_malformed(sent: bytes) -> None:
    with pytest.raises(BodyMalformed):
        PARSER.parse(sent)


def test_numbers_stay_and_grades_become_their_place_from_worst_to_best(diamond: dict[str, Any]) -> None:
    encoded = PARSER.parse(body(diamond)).rows
    assert encoded.dtype == np.float32
    assert encoded.tolist() == [pytest.approx([0.7, 4, 3, 3, 61.8, 56.0, 5.7, 5.72, 3.53])]


@pytest.mark.parametrize(
    ("feature", "worst", "best", "top"),
    [("cut", "Fair", "Ideal", 4), ("color", "J", "D", 6), ("clarity", "I1", "IF", 7)],
)
def test_the_worst_grade_is_zero(
    diamond: dict[str, Any], feature: str, worst: str, best: str, top: int
) -> None:
    column = FEATURE_NAMES.index(feature)
    encoded = PARSER.parse(body(diamond | {feature: worst}, diamond | {feature: best})).rows
    assert encoded[:, column].tolist() == [0, top]


def test_the_order_of_the_fields_does_not_matter(diamond: dict[str, Any]) -> None:
    backwards = dict(reversed(diamond.items()))
    assert np.array_equal(PARSER.parse(body(diamond)).rows, PARSER.parse(body(backwards)).rows)


def test_an_integer_is_a_number(diamond: dict[str, Any]) -> None:
    assert PARSER.parse(body(diamond | {"carat": 1})).rows[0, 0] == 1.0


def test_a_feature_of_several_numbers_takes_as_many_columns() -> None:
    features = [Feature(name="pixels", type="number", size=3, ge=0), Feature(name="age", type="number")]
    parser = RowParser(features)
    rows = parser.parse(b'{"instances": [{"age": 9, "pixels": [1, 2.5, 3]}]}').rows
    assert rows.tolist() == [[1, 2.5, 3, 9]]
    assert refusal(b'{"instances": [{"age": 9, "pixels": [1, -1, 3]}]}', parser) == [
        (("body", "instances", 0, "pixels", 1), "greater_than_equal")
    ]
    assert refusal(b'{"instances": [{"age": 9, "pixels": [1, 2]}]}', parser) == [
        (("body", "instances", 0, "pixels"), "too_short")
    ]


def test_a_model_of_one_feature_works_too() -> None:
    parser = RowParser([Feature(name="x", type="number")])
    assert parser.parse(b'{"instances": [{"x": 2}]}').rows.tolist() == [[2]]
