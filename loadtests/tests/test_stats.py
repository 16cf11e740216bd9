"""Ratios and their intervals, on data whose answers are known."""

import math
import random

import pytest

from loadtests.bench.stats import paired_ratio, robust_ratio, student_t


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


def test_a_wild_round_of_twelve_counts_as_one_round() -> None:
    calm = [1.0, 1.1, 0.9, 1.05, 0.95, 1.02, 0.98, 1.01, 0.99, 1.07, 0.93]
    ratio, wild = (robust_ratio([*calm, last], [1] * 12) for last in (1.2, 100))
    assert 0.95 < ratio.median <= wild.median < 1.1
    assert wild.high < 1.2


def test_a_known_signed_rank_interval() -> None:
    """Of eight differences the three smallest averages are left out at each end (any table of the test)."""
    logs = [0, 1, 2, 4, 8, 16, 32, 64]
    ratio = robust_ratio([math.exp(log) for log in logs], [1] * 8)
    assert (math.log(ratio.low), math.log(ratio.high)) == pytest.approx((1, 36))


def test_many_rounds_make_a_narrow_interval() -> None:
    """Of 100, 1,955 of 5,050 averages are left out at each end; n(n + 1)/4 - 1.96 σ says 1,955.0."""
    ratio = robust_ratio([math.exp(number) for number in range(100)], [1] * 100)
    found = [math.log(one) for one in (ratio.low, ratio.median, ratio.high)]
    assert found == pytest.approx([43.5, 49.5, 55.5])


def test_a_robust_interval_covers_the_truth_nineteen_times_in_twenty() -> None:
    noise = random.Random(3)  # noqa: S311 - statistics, not secrets
    runs = [
        robust_ratio([3 * noise.lognormvariate(0, 0.4) for _ in range(12)], [1] * 12) for _ in range(1000)
    ]
    covered = sum(run.low <= 3 <= run.high for run in runs)
    assert 0.93 < covered / len(runs) < 0.98


def test_few_rounds_span_all_that_was_seen() -> None:
    ratio = robust_ratio([2, 8], [1, 1])
    assert (ratio.low, ratio.median, ratio.high) == pytest.approx((2, 4, 8))


def test_a_robust_ratio_needs_two_rounds() -> None:
    with pytest.raises(ValueError, match="two rounds"):
        robust_ratio([1], [1])
