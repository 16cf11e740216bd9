"""What the machine is read for, from files as Linux writes them."""

from pathlib import Path

import pytest

from loadtests.tuner.measuring.machine import Moment, between, moment, throttled

STAT = "cpu  100 0 100 700 0 0 0 100 0 0\ncpu0 10 0 10 70 0 0 0 10 0 0\ncpu1 90 0 90 630 0 0 0 90 0 0\n"


def test_only_the_cpus_of_the_application_count(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text(STAT)
    assert moment([0], stat).total * 10 == pytest.approx(moment((), stat).total)
    assert moment([0], stat).stolen * 10 == pytest.approx(moment((), stat).stolen)


def test_steal_and_throttling_are_shares_of_the_time() -> None:
    first = Moment(at=10, stolen=1, total=20, busy=5, throttled=1)
    seen = between(first, Moment(at=12, stolen=1.5, total=22, busy=6, throttled=1.2))
    assert (seen.steal, seen.busy) == (0.25, 0.5)
    assert seen.throttled == pytest.approx(0.1)


def test_throttling_is_read_from_both_kinds_of_cgroups(tmp_path: Path) -> None:
    new, old = tmp_path / "new", tmp_path / "old"
    new.write_text("usage_usec 5\nnr_throttled 3\nthrottled_usec 2500000\n")
    old.write_text("nr_periods 9\nnr_throttled 3\nthrottled_time 1500000000\n")
    assert throttled([tmp_path / "none", new]) == 2.5
    assert throttled([old]) == 1.5
    assert throttled([tmp_path / "none"]) is None
