"""Overload and spike: late answers are forgiven, collapse is not."""

from loadtests.tuner.histogram import Histogram
from loadtests.tuner.model import Measurement, Slo
from loadtests.tuner.stress import stress

SLO = Slo(0.2)


def _server(answered_at_overload: float, well_after: int = 0, *, invalid: tuple[str, ...] = ()):  # type: ignore[no-untyped-def] # a closure
    calm = iter([5.0] * well_after)

    def measure(rate: float, seconds: float) -> Measurement:
        over = rate > 100
        latency = 3.0 if over else next(calm, 0.05)
        answered = answered_at_overload if over else rate
        refused = invalid if over else ()
        return Measurement(rate, rate, answered, seconds, 1, Histogram.of([latency] * 100), invalid=refused)

    return measure


def test_a_server_that_keeps_answering_holds_though_late() -> None:
    seen = stress(_server(95), 100, SLO, 5)
    assert seen.collapse is None
    assert [overload.goodput for overload in seen.overloads] == [0, 0, 0]


def test_a_server_that_answers_a_tenth_under_overload_loses() -> None:
    assert "2 times its capacity it answers 10%" in str(stress(_server(10), 100, SLO, 5).collapse)


def test_it_may_take_a_moment_to_recover_but_not_for_ever() -> None:
    assert stress(_server(95, well_after=2), 100, SLO, 5).collapse is None
    assert "after a spike" in str(stress(_server(95, well_after=3), 100, SLO, 5).collapse)


def test_an_overload_beyond_the_generator_decides_nothing() -> None:
    assert stress(_server(10, invalid=("generator",)), 100, SLO, 5).collapse is None
