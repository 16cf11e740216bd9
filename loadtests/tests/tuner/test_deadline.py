"""A run that must end in time does, whatever a start costs and whenever the machine becomes slower."""

from dataclasses import replace

import pytest

from loadtests.tuner.chain import ChainSession
from loadtests.tuner.clock import Clock, OutOfTime, Stage
from loadtests.tuner.model import Configuration, Limits, Slo
from loadtests.tuner.outcome import Outcome, Verdict
from loadtests.tuner.plan import QUICK, REPORT
from loadtests.tuner.regret import Regret, regrets
from loadtests.tuner.second_check import check
from loadtests.tuner.session import Session
from loadtests.tuner.simulator.chain import Chain, ChainTarget
from loadtests.tuner.simulator.machine import Machine
from loadtests.tuner.simulator.system import Noise, System
from loadtests.tuner.simulator.target import SimulatedTarget
from loadtests.tuner.verified import Verified

SLO = Slo(0.25)
CPU = {"gateway": 0.0017, "users": 0.0004, "items": 0.0015, "ml-predict": 0.0004}
CALIBRATED = 20.0  # seconds: a run begins with the test of its generator
SLOWER = [(1.0, 0.0), *((1.6, after) for after in (60.0, 150.0, 250.0, 350.0, 400.0, 450.0, 500.0))]
LIMITS = Limits(1)


def _chain(machine: Machine, seed: int) -> ChainTarget:
    return ChainTarget(Chain(CPU, dict.fromkeys(CPU, 0), LIMITS, noise=0.04), seed, machine)


def _app(machine: Machine, seed: int) -> SimulatedTarget:
    noise = Noise(boot=0.01, measurement=0.02, mood=0.03)
    return SimulatedTarget(System(1, 0.004, contention=0.08, noise=noise, limits=LIMITS), seed, machine)


def _run(target: ChainTarget | SimulatedTarget) -> tuple[Outcome, Verified | None]:
    """As a run does it, the second generator's check included."""
    target.elapse(CALIBRATED)
    kind = ChainSession if isinstance(target, ChainTarget) else Session
    outcome = kind(target, SLO, QUICK, repeat=True).run()
    try:
        return outcome, check(target, outcome, SLO)
    except OutOfTime:
        return outcome, None


def _thumb(outcome: Outcome) -> Regret:
    return next(regret for regret in regrets(outcome, LIMITS) if regret.rule == "2n + 1")


@pytest.mark.parametrize("make", [_chain, _app])
@pytest.mark.parametrize(
    "starting",
    [12.0, 40.0, *(pytest.param(seconds, marks=pytest.mark.soak) for seconds in (25.0, 60.0, 80.0))],
)
@pytest.mark.parametrize(("slower", "after"), SLOWER)
def test_it_ends_by_half_past_nine(make, starting: float, slower: float, after: float) -> None:  # type: ignore[no-untyped-def] # either
    target = make(Machine(starting, 1.0, slower, after), 1)
    _run(target)
    assert target.spent + REPORT <= 9.5 * 60


@pytest.mark.parametrize("make", [_chain, _app])
@pytest.mark.parametrize("seed", range(4))
def test_with_usual_starts_all_of_it_is_done_in_that_time(make, seed: int) -> None:  # type: ignore[no-untyped-def] # either
    """Also the loss by 2n + 1 workers, from rounds that measured both."""
    target = make(Machine(14.0, 1.0, 1.6, 300.0 if seed % 2 else 1e9), seed)
    outcome, checked = _run(target)
    assert outcome.verdict is not Verdict.INVALID
    assert checked is not None
    assert min(len(checked.below.met), len(checked.above.met)) >= (2 if seed % 2 else 3)
    thumb = _thumb(outcome)
    assert thumb.lost is not None
    assert thumb.low is not None
    assert thumb.high is not None
    assert thumb.low < thumb.lost < thumb.high
    assert thumb.rounds >= (2 if seed % 2 else 3)


def test_the_rule_of_thumb_is_raced_however_slow_it_is() -> None:
    system = System(cores=1, cpu=0.004, coherency=0.2, limits=LIMITS)
    outcome = Session(SimulatedTarget(system, 1), SLO, QUICK).run()
    assert outcome.choice == Configuration.of(1)
    thumb = _thumb(outcome)
    truth = 1 - system.capacity(3, SLO) / system.capacity(1, SLO)
    assert thumb.low is not None
    assert thumb.high is not None
    assert thumb.low < truth < thumb.high
    assert truth > 0.3
    assert "interval" in thumb.said
    assert f"{thumb.rounds} rounds" in thumb.said


def test_no_time_is_kept_for_a_check_that_no_second_generator_can_make() -> None:
    kept = []
    for checked in (True, False):
        clock = Clock(replace(QUICK, checked=checked), SLO, lambda: 0.0, Stage.OVERLOADING)
        clock.took(3.0)
        kept.append(clock._kept(Stage.OVERLOADING))
    assert kept[0] > kept[1] == REPORT
