"""The scalability law: known curves are found again, and predictions stay in their intervals."""

import math

import numpy as np
import pytest

from loadtests.tuner.usl import fit, held_out

COUNTS = [1, 2, 3, 4, 6, 8, 11, 16, 24, 32]


def _law(n: int, contention: float = 0.03, coherency: float = 0.0005, ceiling: float = math.inf) -> float:
    return 100 * min(n, ceiling) / (1 + contention * (n - 1) + coherency * n * (n - 1))


def test_the_plain_law_is_found_again() -> None:
    law = fit({n: _law(n) for n in COUNTS})
    assert law.rate == pytest.approx(100, rel=0.01)
    assert law.contention == pytest.approx(0.03, rel=0.05)
    assert law.coherency == pytest.approx(0.0005, rel=0.05)
    assert math.isinf(law.ceiling)


def test_a_machine_with_few_cores_is_seen() -> None:
    law = fit({n: _law(n, 0.001, 0, 4) for n in COUNTS})
    assert law.ceiling == pytest.approx(4, rel=0.05)
    assert law.capacity(64) == pytest.approx(_law(64, 0.001, 0, 4), rel=0.05)


def test_three_counts_are_no_curve() -> None:
    with pytest.raises(ValueError, match="four"):
        fit({1: 100, 2: 190, 3: 270})
    assert held_out({1: 100, 2: 190, 3: 270, 4: 340}) is None


@pytest.mark.parametrize("curves", [40, pytest.param(200, marks=pytest.mark.soak)])
@pytest.mark.parametrize("ceiling", [math.inf, 4.0, 12.0])
def test_what_was_held_out_is_inside_the_interval_nine_times_in_ten(ceiling: float, curves: int) -> None:
    noise = np.random.default_rng(1)
    points = []
    for _ in range(curves):
        measured = {n: _law(n, ceiling=ceiling) * float(np.exp(noise.normal(0, 0.02))) for n in COUNTS}
        found = held_out(measured)
        assert found is not None
        points += found[1]
    assert sum(point.inside for point in points) / len(points) >= 0.9
    assert np.median([abs(point.error) for point in points]) < 0.05
    widths = [point.predicted.high / point.predicted.low for point in points]
    assert np.median(widths) < 1.5, "an interval that holds everything says nothing"


def test_the_held_out_points_are_not_fitted() -> None:
    spoiled = {n: _law(n) for n in COUNTS}
    before = held_out(spoiled)
    assert before is not None
    unseen = before[1][0].workers
    spoiled[unseen] *= 3
    after = held_out(spoiled)
    assert after is not None
    assert after[0].capacity(5) == pytest.approx(before[0].capacity(5))
    assert not after[1][0].inside
