"""The mix, the schedule and the staircase."""

import subprocess
import sys
from pathlib import Path

import pytest

from loadtests.diamonds import load_diamonds
from loadtests.mix import USUAL, parse_mix, pick, write_mix
from loadtests.scenarios.schedule import Schedule


def test_the_usual_mix_can_be_written_and_read() -> None:
    assert parse_mix(write_mix(USUAL)) == USUAL


def test_what_is_not_named_does_not_happen() -> None:
    mix = parse_mix("read=1, browse=0")
    assert {pick(mix) for _ in range(50)} == {"read"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("steal=1", "no action is called 'steal'"),
        ("read", "must be a whole number"),
        ("read=-1", "must be a whole number"),
        ("read=0", "every weight is 0"),
        ("", "no action is called ''"),
    ],
)
def test_a_wrong_mix_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_mix(text)


def test_logging_in_is_the_rarest() -> None:
    """Each costs an Argon2 hash; a mix that forgets it measures that."""
    assert USUAL["log_in"] == min(USUAL.values())
    assert USUAL["log_in"] / sum(USUAL.values()) <= 0.01


def test_arrivals_come_at_their_rate_however_late_they_are_taken() -> None:
    schedule = Schedule()
    schedule.begin(50, now=100, seed=1)
    moments = [schedule.take() for _ in range(5000)]
    assert moments == sorted(filter(None, moments))
    assert 5000 / ((moments[-1] or 0) - 100) == pytest.approx(50, rel=0.05)


@pytest.mark.parametrize("even", [True, False])
def test_the_same_seed_is_the_same_schedule(even: bool) -> None:
    def moments(seed: int) -> list[float | None]:
        schedule = Schedule()
        schedule.begin(10, now=0, seed=seed, even=even)
        return [schedule.take() for _ in range(20)]

    assert moments(1) == moments(1)
    assert (moments(1) == moments(2)) is even


def test_a_constant_schedule_has_equal_gaps() -> None:
    schedule = Schedule()
    schedule.begin(4, now=10, even=True)
    assert [schedule.take() for _ in range(3)] == [10.25, 10.5, 10.75]


def test_nobody_is_due_before_the_beginning_or_after_the_end() -> None:
    schedule = Schedule()
    assert schedule.take() is None
    schedule.begin(10, now=0, seed=1)
    schedule.begin(10, now=50, seed=1)  # users who come later do not begin it again
    assert (schedule.take() or 0) < 5
    assert schedule.end(now=20) == pytest.approx(200, rel=0.3)
    assert schedule.take() is None


def test_what_waits_is_bounded_however_long_nobody_takes_it() -> None:
    schedule = Schedule(give_up=15)
    schedule.begin(10, now=0, even=True)
    assert schedule.missed(now=100) == 850
    assert schedule.missed(now=100) == 0
    assert (schedule.take() or 0) > 85


def test_the_staircase_rises_to_its_end() -> None:
    """In a process of its own, because locust patches the standard library."""
    code = (
        "from loadtests.scenarios.steps import stair\n"
        "assert [stair(t, 20, 5, 10, 4) for t in (0, 2.4, 2.6, 7.6, 9.9)]"
        " == [(5, 5), (5, 5), (10, 5), (20, 5), (20, 5)]\n"
        "assert stair(10, 20, 5, 10, 4) is None\n"
        "assert stair(0, 2, 5, 10, 4) == (1, 5)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)  # noqa: S603 - our own command


def test_diamonds_are_real_and_can_be_listed() -> None:
    diamonds = load_diamonds()
    assert len(diamonds) >= 100
    listing = diamonds[0].listing()
    assert set(listing["features"]) == {"carat", "cut", "color", "clarity", "depth", "table", "x", "y", "z"}
    assert isinstance(listing["features"]["carat"], float)
    assert listing["price"].endswith(".00")


def test_missing_diamonds_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no diamonds at"):
        load_diamonds(tmp_path / "none.csv")
