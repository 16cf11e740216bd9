"""How many requests show what about a percentile: against the published numbers."""

import pytest

from loadtests.tuner.evidence import Shown, highest_share, lowest_share, samples_needed, shown


@pytest.mark.parametrize(("slow", "needed"), [(0, 299), (1, 473), (5, 1049)])
def test_p99_needs_as_many_requests_as_the_tables_say(slow: int, needed: int) -> None:
    assert samples_needed(slow) == needed


def test_fewer_requests_show_nothing() -> None:
    assert shown(0, 298, 0.01) is Shown.OPEN
    assert shown(0, 299, 0.01) is Shown.MET
    assert shown(3, 60, 0.01) is Shown.MISSED


def test_no_requests_show_nothing() -> None:
    assert shown(0, 0, 0.01) is Shown.OPEN


def test_all_slow_is_a_miss_and_none_slow_is_never_one() -> None:
    assert highest_share(10, 10) == 1
    assert lowest_share(0, 10) == 0
    assert shown(10, 10, 0.01) is Shown.MISSED
