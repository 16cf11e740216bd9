# ruff: noqa: T201 - the soak prints its figures
"""A claim is checked on a machine that does up to a tenth more or less than in the rounds."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from loadtests.tuner import candidates
from loadtests.tuner.measuring.second import Answers
from loadtests.tuner.model import Configuration, Limits, Measurement, Slo
from loadtests.tuner.outcome import Outcome
from loadtests.tuner.plan import QUICK
from loadtests.tuner.runner import Runner
from loadtests.tuner.second_check import check
from loadtests.tuner.simulator.population import population
from loadtests.tuner.simulator.system import Noise, System
from loadtests.tuner.simulator.target import SimulatedTarget
from loadtests.tuner.statistics import alone
from loadtests.tuner.verified import Verified

PLAN = replace(QUICK, within=None)
ROUNDS, APART = 4, 60.0  # and seconds between them, in which others are measured
DRIFT = 0.10  # of the machine's speed since the rounds, at most
SHORT = pytest.param(10, id="short")
WHOLE = pytest.param(300, id="whole", marks=pytest.mark.soak)

Systems = Sequence[tuple[System, Slo]]


@dataclass(frozen=True, slots=True)
class Wrong:
    """`claim` is wrong by itself; `generator` is what the first one reads, times the truth."""

    claim: float = 1.0
    generator: float = 1.0


class Claiming(Outcome):
    """Claims so many times what the run would."""

    times = 1.0

    @property
    def claim(self) -> float | None:
        usual = Outcome(choice=self.choice, comparison=self.comparison).claim
        return None if usual is None else usual * self.times


class Drifting(SimulatedTarget):
    """The first generator reads `wrong.generator` times what is there: its rates are that much lower."""

    def __init__(self, system: System, seed: int, wrong: Wrong) -> None:
        super().__init__(system, seed)
        self.speed, self.wrong = 1.0, wrong

    def measure(self, rate: float, seconds: float, seed: int) -> Measurement:
        return replace(self._really(rate / self.wrong.generator, seconds, seed), offered=rate)

    def ask_otherwise(self, rate: float, seconds: float, seed: int) -> tuple[Answers, float | None]:
        taken = self._really(rate, seconds, seed)
        counts = {str(bucket): count for bucket, count in taken.latencies.counts.items()}
        return Answers(taken.requests, taken.failed, latencies=counts), None

    def _really(self, rate: float, seconds: float, seed: int) -> Measurement:
        usual, speed = self.system, self.speed  # as the simulator's own moods: a delay does not take longer
        wait = usual.wait / speed if usual.blocking else usual.wait
        self.system = replace(usual, cpu=usual.cpu / speed, wait=wait, database=usual.database * speed)
        try:
            return super().measure(rate, seconds, seed)
        finally:
            self.system = usual


def _checked(seed: int, system: System, slo: Slo, wrong: Wrong) -> Verified:
    count, capacity = system.best(slo, candidates.largest(system.limits))
    key, target = Configuration.of(count), Drifting(system, seed, wrong)
    runner, rates = Runner(target, slo, PLAN, lambda _: None), [capacity * wrong.generator]
    for block in range(ROUNDS):
        found = runner.capacity(
            key, rates[-1], step=PLAN.step, resolution=PLAN.resolution, why="", block=block
        )
        assert found is not None
        rates.append(found.rate)
        target.elapse(APART)
    outcome = Claiming(choice=key, comparison=alone(key, rates[1:]), machine=runner.machine)
    outcome.clock, outcome.times = runner.clock, wrong.claim
    target.speed = 1 + random.Random(seed).uniform(-DRIFT, DRIFT)  # noqa: S311 - a simulation
    checked = check(target, outcome, slo)
    assert checked is not None
    return checked


def _confirmed(count: int, wrong: Wrong, systems: Systems | None = None) -> int:
    chosen = systems or population(count, 77)
    seen = [_checked(seed, *system, wrong) for seed, system in enumerate(chosen)]
    below, above = sum(one.below.holds for one in seen), sum(one.above.missed for one in seen)
    held = sum(one.holds for one in seen)
    print(f"{wrong}: 95 % met in {below} of {count}, 120 % missed in {above}, confirmed {held}")
    return held


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("count", [SHORT, WHOLE])
def test_right_claims_are_confirmed_though_the_machine_drifted(count: int) -> None:
    assert count - _confirmed(count, Wrong()) <= max(1, 0.05 * count)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("count", [SHORT, WHOLE])
def test_on_a_machine_as_noisy_as_a_shared_one_most_right_claims_are(count: int) -> None:
    """One CPU, whose pace changes by some 7 % within minutes and 5 % from load to load, besides the drift."""
    noise = Noise(boot=0.02, measurement=0.05, mood=0.07)
    shared = System(1, cpu=0.0033, noise=noise, limits=Limits(1))
    assert _confirmed(count, Wrong(), [(shared, Slo(0.25))] * count) >= 0.8 * count
    assert _confirmed(count, Wrong(claim=1.25), [(shared, Slo(0.25))] * count) <= 0.05 * count


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("count", [SHORT, WHOLE])
@pytest.mark.parametrize(
    "wrong", [Wrong(claim=1.25), Wrong(claim=0.75), Wrong(generator=1.25), Wrong(generator=0.75)]
)
def test_a_claim_that_is_wrong_by_a_quarter_is_not(wrong: Wrong, count: int) -> None:
    assert _confirmed(count, wrong) <= 0.05 * count
