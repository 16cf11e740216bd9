"""What follows from what was measured."""

import pytest

from ml_predict.costs import Costs, measured
from ml_predict.model import Model

MICRO = 1e-6


@pytest.mark.parametrize(
    ("one", "many", "inline", "pays"),
    [
        (20, 220, 27, False),  # the price model: cheap rows
        (1500, 2000, 0, True),  # digits: a dear call, cheap rows
        (1500, 48_000, 0, False),  # dear rows: nothing is shared
        (90, 100, 341, False),  # a dear call, but batching costs more
        (1, 1, 199_000, False),
    ],
)
def test_costs_decide_what_is_inline_and_what_is_batched(
    one: float, many: float, inline: int, pays: bool
) -> None:
    costs = Costs(one * MICRO, many * MICRO)
    assert costs.inline_rows == pytest.approx(inline, rel=0.05, abs=1)
    assert costs.batching_pays is pays


def test_the_cost_of_a_call_is_a_line_through_what_was_measured() -> None:
    costs = Costs(0.001, 0.032)
    assert (costs.of(1), costs.of(32)) == (pytest.approx(0.001), pytest.approx(0.032))


def test_rows_that_seem_to_cost_nothing_are_no_division_by_zero() -> None:
    assert Costs(0.001, 0.0005).inline_rows == 0


def test_both_sizes_are_run() -> None:
    rows: list[int] = []
    measured(rows.append)
    assert set(rows) == {1, 32}


def test_the_price_model_is_measured_at_warm_up_and_then_computed_inline(model: Model) -> None:
    model.warm_up()
    assert 0 < model.costs.one < 0.01
    assert model.batches is model.costs.batching_pays
