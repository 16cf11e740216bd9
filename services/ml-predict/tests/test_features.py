"""Encoding rows for the graph."""

from typing import Any

import numpy as np
import pytest

from ml_predict.exceptions import FeatureInvalid
from ml_predict.features import FEATURE_NAMES, encode
from ml_predict.schemas import DiamondFeatures


def test_the_wire_model_has_exactly_the_models_features_in_order() -> None:
    assert tuple(DiamondFeatures.model_fields) == FEATURE_NAMES


def test_numbers_stay_and_grades_become_their_place_from_worst_to_best(diamond: dict[str, Any]) -> None:
    encoded = encode([diamond])
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
    encoded = encode([diamond | {feature: worst}, diamond | {feature: best}])
    assert encoded[:, column].tolist() == [0, top]


def test_a_mapping_and_a_validated_diamond_are_encoded_alike(diamond: dict[str, Any]) -> None:
    assert np.array_equal(encode([diamond]), encode([DiamondFeatures.model_validate(diamond)]))


def test_no_rows_are_an_empty_matrix_of_nine_columns() -> None:
    assert encode([]).shape == (0, 9)


def test_a_missing_feature_is_named_with_its_row(diamond: dict[str, Any]) -> None:
    lacking = {name: value for name, value in diamond.items() if name != "depth"}
    with pytest.raises(FeatureInvalid, match="row 1, feature depth: missing"):
        encode([diamond, lacking])


def test_an_unknown_grade_is_named_with_what_is_known(diamond: dict[str, Any]) -> None:
    with pytest.raises(FeatureInvalid, match="row 0, feature cut: not one of Fair, Good"):
        encode([diamond | {"cut": "Superb"}])
