"""A machine whose neighbours take half of it from time to time, and a yardstick that shows it."""

from dataclasses import replace

import pytest

from loadtests.tuner.histogram import Histogram
from loadtests.tuner.measuring.yardstick import yardstick
from loadtests.tuner.model import Configuration, Limits, Measurement, Resources, Slo
from loadtests.tuner.outcome import Outcome, Verdict
from loadtests.tuner.pace import Pace
from loadtests.tuner.plan import Plan
from loadtests.tuner.session import Session
from loadtests.tuner.simulator.system import Noise, System
from loadtests.tuner.simulator.target import SimulatedTarget

LOUD = Noise(boot=0.005, measurement=0.005, mood=0.0, neighbours=0.2)
SYSTEM = System(cores=2, cpu=0.01, contention=0.002, noise=LOUD, limits=Limits(2, max_workers=4))
SLO = Slo(0.25)
ONE = Configuration.of(1)


class Blind(SimulatedTarget):
    """The same machine without a yardstick."""

    def _yardstick(self) -> float | None:
        return None


def _tuned(target: SimulatedTarget) -> Outcome:
    return Session(target, SLO, Plan()).run()


def test_what_neighbours_take_is_not_taken_for_a_difference() -> None:
    seen = [_tuned(SimulatedTarget(SYSTEM, seed)) for seed in range(4)]
    assert {outcome.verdict for outcome in seen} == {Verdict.DECIDED}
    best = SYSTEM.capacity(2, SLO)
    chosen = [outcome.choice for outcome in seen if outcome.choice]
    assert all(SYSTEM.capacity(key.total_workers, SLO) >= 0.95 * best for key in chosen)


def test_without_a_yardstick_the_same_machine_is_too_noisy() -> None:
    spreads = []
    for kind in (SimulatedTarget, Blind):
        comparison = _tuned(kind(SYSTEM, 1)).comparison
        assert comparison is not None
        spreads.append(comparison.spread)
    assert spreads[0] < spreads[1] / 3


def _taken(length: float, used: float, answered: float = 100.0) -> Measurement:
    resources = Resources(app_cpus=used, yardstick=length)
    return Measurement(answered, answered, answered, 1, 1, Histogram.of([0.01]), resources=resources)


def test_how_much_a_request_suffers_is_learned_from_its_cpu_time() -> None:
    pace = Pace(Limits(1))
    for length in (1.0, 1.1, 1.2, 1.4, 1.6):
        pace.learn(ONE, _taken(length, 0.4 * length**2))
    assert pace.exponent == pytest.approx(2, abs=0.2)
    assert pace.usual == 1.2
    slow = pace.factor(ONE)(_taken(1.6, 1.0))
    assert slow == pytest.approx((1.6 / 1.2) ** pace.exponent)


def test_before_anything_was_seen_nothing_is_corrected() -> None:
    assert Pace(Limits(1)).factor(ONE)(_taken(1.6, 1.0)) == 1.0


def test_an_application_that_waits_is_hardly_corrected() -> None:
    pace = Pace(Limits(1))
    for length in (1.0, 1.5, 2.0):
        pace.learn(ONE, _taken(length, 0.45 * length))
    assert pace.factor(ONE)(_taken(2.0, 0.02)) == pytest.approx(1, abs=0.02)


def test_without_a_yardstick_nothing_is_corrected() -> None:
    pace = Pace(Limits(1))
    taken = replace(_taken(1.0, 0.9), resources=Resources(app_cpus=0.9))
    pace.learn(ONE, taken)
    assert (pace.factor(ONE)(taken), pace.now, pace.swing) == (1.0, 1.0, None)


def test_the_yardstick_takes_time_and_is_gone_afterwards() -> None:
    with yardstick([]) as short:
        pass
    assert short.seconds is None, "too few pieces of work to say anything"
