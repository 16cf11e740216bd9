"""A pause is what lies between two looks at the clock, and a summary is of all looks together."""

import os
import time

import pytest

from loadtests.bench.pauses import Pauses, pauses, pauses_of, summary


def test_a_pause_is_what_lies_between_two_looks_at_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([0.0, 0.0001, 0.0051, 0.0052, 0.006, 1.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(looks))
    assert pauses(1.0) == pytest.approx([5.0, 994.0])


def test_each_core_is_looked_at() -> None:
    core = min(os.sched_getaffinity(0))
    found = pauses_of([core, core], 0.1)
    assert len(found) == 2
    assert all(pause > 1 for look in found for pause in look)


def test_a_summary_is_of_all_looks() -> None:
    assert summary([[2.0, 4.0], [], [6.0]], 2.0) == Pauses(0.5, 2.0, 6.0)
    assert summary([[], []], 1.0) == Pauses(0.0, 0.0, 0.0)
