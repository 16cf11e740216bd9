"""Ratios and their intervals, on data whose answers are known."""

import random

import pytest

from loadtests.bench.stats import paired_ratio, pooled_ratio, quantile, student_t


def test_equal_ratios_leave_no_doubt() -> None:
    ratio = paired_ratio([200, 400, 600], [20, 40, 60])
    assert (ratio.median, ratio.low, ratio.high) == pytest.approx((10, 10, 10))


def test_a_known_interval() -> None:
    """Ratios 8, 10, 12.5: mean of logs ln 10, deviation ln 1.25, t(2) = 4.303, so 10 × 1.25^(±4.303/√3)."""
    ratio = paired_ratio([8, 10, 12.5], [1, 1, 1])
    assert ratio.median == 10
    assert ratio.low == pytest.approx(10 / 1.25 ** (4.303 / 3**0.5))
    assert ratio.high == pytest.approx(10 * 1.25 ** (4.303 / 3**0.5))


def test_a_disturbance_of_a_whole_round_does_not_count() -> None:
    calm = paired_ratio([100, 100, 100], [10, 10, 10])
    disturbed = paired_ratio([100, 50, 10], [10, 5, 1])
    assert disturbed == calm


def test_the_interval_covers_the_truth_nineteen_times_in_twenty() -> None:
    noise = random.Random(7)  # noqa: S311 - statistics, not secrets
    runs = [paired_ratio([3 * noise.lognormvariate(0, 0.1) for _ in range(5)], [1] * 5) for _ in range(2000)]
    covered = sum(run.low <= 3 <= run.high for run in runs)
    assert 0.93 < covered / len(runs) < 0.97


def test_turning_it_round_turns_the_interval_round() -> None:
    there, back = paired_ratio([3, 5, 4], [1, 2, 1]), paired_ratio([1, 2, 1], [3, 5, 4])
    assert (back.low, back.high) == pytest.approx((1 / there.high, 1 / there.low))


def test_one_round_is_no_comparison() -> None:
    with pytest.raises(ValueError, match="two rounds"):
        paired_ratio([1], [1])


def test_rounds_must_pair_up() -> None:
    with pytest.raises(ValueError, match="zip"):
        paired_ratio([1, 2, 3], [1, 2])


def test_many_rounds_are_nearly_normal() -> None:
    assert student_t(30) == 2.042
    assert student_t(31) == 1.96


def test_a_quantile_is_of_all_rounds_together() -> None:
    assert quantile([[1, 2, 3], [4, 5]], 0.5) == 3


def rounds(noise: random.Random, factor: float) -> list[list[float]]:
    """Twelve of 200 values, each with its own pace."""
    paces = [noise.lognormvariate(0, 0.2) for _ in range(12)]
    return [[factor * pace * noise.lognormvariate(0, 0.5) for _ in range(200)] for pace in paces]


def test_a_pooled_ratios_interval_covers_the_truth() -> None:
    noise = random.Random(3)  # noqa: S311 - statistics, not secrets
    ratios = [pooled_ratio(rounds(noise, 1.5), rounds(noise, 1), 0.99) for _ in range(8)]
    assert sum(one.low <= 1.5 <= one.high for one in ratios) >= 7
    assert all(one.low < one.median < one.high for one in ratios)


def test_a_pooled_ratio_needs_two_rounds() -> None:
    with pytest.raises(ValueError, match="two rounds"):
        pooled_ratio([[1, 2]], [[1, 2]], 0.99)
