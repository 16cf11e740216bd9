"""Comparisons with the best, against published critical values and on noise whose truth is known."""

import numpy as np
import pytest

from loadtests.tuner.statistics import Comparison, compare, dunnett, student, tukey


@pytest.mark.parametrize(
    ("rivals", "degrees", "value"), [(1, 10, 1.812), (4, 20, 2.30), (3, 10, 2.34), (9, 60, 2.475)]
)
def test_dunnetts_one_sided_critical_values(rivals: int, degrees: int, value: float) -> None:
    assert dunnett(rivals, degrees, 0.05) == pytest.approx(value, abs=0.012)


@pytest.mark.parametrize(
    ("arms", "degrees", "value"),
    [(2, 1, 17.97), (2, 5, 3.635), (3, 10, 3.877), (4, 20, 3.958), (10, 60, 4.646)],
)
def test_tukeys_studentized_ranges(arms: int, degrees: int, value: float) -> None:
    assert tukey(arms, degrees, 0.05) == pytest.approx(value, rel=0.0005)


def test_students_quantiles() -> None:
    assert student(0.975, 10) == pytest.approx(2.2281, abs=1e-4)
    assert dunnett(1, 10, 0.05) == student(0.95, 10)


def test_a_disturbed_round_disturbs_nothing() -> None:
    calm = compare({"a": [100, 101, 99], "b": [80, 81, 79]}, 0.05)
    stormy = compare({"a": [100, 50.5, 9.9], "b": [80, 40.5, 7.9]}, 0.05)
    assert stormy.worst == pytest.approx(calm.worst)
    assert stormy.spread == pytest.approx(calm.spread)


def test_a_clear_winner_is_shown_and_a_clear_loser_too() -> None:
    seen = compare({"a": [100, 101, 99, 100], "b": [80, 81, 79, 80]}, 0.05)
    assert seen.best == "a"
    assert seen.worst["a"] > 1.2
    assert seen.worst["b"] < 0.82
    assert seen.shown_worse("b", 0.05)
    assert not seen.shown_worse("a")


def test_one_configuration_has_no_rival() -> None:
    assert compare({"a": [100, 90]}, 0.05).worst["a"] == pytest.approx(1)


def test_one_round_is_no_comparison() -> None:
    with pytest.raises(ValueError, match="two rounds"):
        compare({"a": [1], "b": [1]}, 0.05)


def test_identical_values_are_not_infinitely_sure() -> None:
    assert compare({"a": [1, 1], "b": [1, 1]}, 0.05).worst["a"] < 1


def _looks(truth: list[float], noise: np.random.Generator, looks: tuple[int, ...]) -> list[Comparison[int]]:
    rounds = noise.normal(0, 0.1, looks[-1])  # a whole round's mood, far larger than what is looked for
    runs = {
        arm: capacity * np.exp(rounds + noise.normal(0, 0.02, looks[-1]))
        for arm, capacity in enumerate(truth)
    }
    return [
        compare({arm: run[:look].tolist() for arm, run in runs.items()}, 0.05 / len(looks)) for look in looks
    ]


def test_a_difference_that_is_not_there_is_called_at_most_one_time_in_twenty() -> None:
    noise = np.random.default_rng(3)
    called = [any(seen.differs for seen in _looks([100.0] * 4, noise, (4, 6, 8))) for _ in range(1500)]
    assert sum(called) / len(called) <= 0.05


def test_a_bound_against_all_rivals_is_wrong_at_most_one_time_in_twenty() -> None:
    """Arm 0 is exactly at the margin: claiming that it is within it is an error."""
    noise = np.random.default_rng(4)
    truth = [95.0, 100.0, 100.0, 100.0]
    wrong = [any(seen.worst[0] > 0.95 for seen in _looks(truth, noise, (4, 6, 8))) for _ in range(1500)]
    assert sum(wrong) / len(wrong) <= 0.05


def test_two_per_cent_of_noise_do_not_hide_ten_per_cent() -> None:
    noise = np.random.default_rng(5)
    found = [any(seen.shown_worse(0) for seen in _looks([90, 100], noise, (4, 6, 8))) for _ in range(200)]
    assert sum(found) / len(found) > 0.95
