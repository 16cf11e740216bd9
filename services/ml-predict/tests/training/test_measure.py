"""The figures on the card are measured again, with the committed model, on rows it never saw."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_predict.session import open_session
from ml_training.card import PriceCard
from ml_training.data import Split
from ml_training.measure import CalibrationTooSmall, calibrate, measure


def test_the_cards_figures_can_be_measured_again(folder: Path, parts: Split, card: PriceCard) -> None:
    session = open_session((folder / "model.onnx").read_bytes())
    again, stated = measure(session, parts.held_out), card.metrics
    assert again.n == stated.n == len(parts.held_out)
    assert (again.r2, again.mae_usd, again.mape) == pytest.approx(
        (stated.r2, stated.mae_usd, stated.mape), rel=1e-4
    )
    assert again.coverage == pytest.approx(stated.coverage, abs=1e-3)
    assert again.coverage_by_clarity == pytest.approx(stated.coverage_by_clarity, abs=1e-2)
    assert again.coverage_by_carat == pytest.approx(stated.coverage_by_carat, abs=1e-2)


def test_the_model_is_as_good_as_promised(card: PriceCard) -> None:
    assert card.metrics.r2 >= 0.98
    assert card.metrics.coverage == pytest.approx(card.interval.level, abs=0.01)


def test_the_served_prices_have_the_error_on_the_card(
    predict: Callable[..., Any], parts: Split, card: PriceCard
) -> None:
    rows = parts.held_out.drop(columns="price").to_dict("records")
    served = np.array([each["estimate"] for each in predict(rows)])
    assert np.abs(served - parts.held_out["price"]).mean() == pytest.approx(card.metrics.mae_usd, rel=1e-4)


def test_the_intervals_widths_follow_from_the_calibration_rows(
    folder: Path, parts: Split, card: PriceCard
) -> None:
    again = calibrate(open_session((folder / "model.onnx").read_bytes()), parts.calibration)
    assert again.half_widths == pytest.approx(card.interval.half_widths, abs=1e-5)


def test_too_few_rows_of_a_grade_give_no_interval(folder: Path, parts: Split) -> None:
    session = open_session((folder / "model.onnx").read_bytes())
    with pytest.raises(CalibrationTooSmall, match=r"calibration rows of clarity \w+ are too few for 90%"):
        calibrate(session, parts.calibration.head(20))
