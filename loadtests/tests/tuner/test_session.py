"""The verdicts, on simulated systems made so that one of them is right."""

import re
from dataclasses import replace

import pytest

from loadtests.tuner.model import Configuration, Limits, Measurement, RollOutFailed, Slo
from loadtests.tuner.outcome import Outcome, Verdict
from loadtests.tuner.plan import QUICK, REPORT, Plan
from loadtests.tuner.session import Session
from loadtests.tuner.simulator.system import Noise, System
from loadtests.tuner.simulator.target import SimulatedTarget
from loadtests.tuner.statistics import compare

CALM = Noise(boot=0.005, measurement=0.005, mood=0.01)
SLO = Slo(0.25)
TWO = System(cores=2, cpu=0.01, contention=0.002, noise=CALM, limits=Limits(2))


def _tune(system: System, seed: int = 1) -> tuple[Outcome, SimulatedTarget]:
    target = SimulatedTarget(system, seed)
    return Session(target, SLO, Plan()).run(), target


def test_cpu_bound_work_on_two_cores_takes_two_workers() -> None:
    outcome, _ = _tune(TWO)
    assert (outcome.verdict, outcome.choice) == (Verdict.DECIDED, Configuration.of(2))
    assert outcome.bottleneck is not None
    assert outcome.bottleneck.kind == "app CPU"


def test_what_is_claimed_is_the_lower_end_of_the_interval() -> None:
    outcome, _ = _tune(TWO)
    assert outcome.choice is not None
    assert outcome.comparison is not None
    assert outcome.claim == outcome.comparison.low[outcome.choice]
    assert outcome.claim < outcome.capacities()[outcome.choice]


def test_where_the_interval_is_wide_the_claim_stays_close_to_the_middle() -> None:
    one, two = Configuration.of(1), Configuration.of(2)
    seen = compare({one: [80.0, 120.0, 90.0, 110.0], two: [80.0, 119.0, 91.0, 110.0]}, 0.05)
    outcome = Outcome(choice=one, comparison=seen)
    assert outcome.claim is not None
    assert outcome.claim > seen.low[one]
    middle = seen.means[one]
    assert middle / (0.95 * outcome.claim) == pytest.approx(1.20 * outcome.claim / middle)


def test_without_a_race_it_is_the_lowest_that_was_measured() -> None:
    outcome, _ = _tune(replace(TWO, limits=Limits(2, max_workers=1)))
    assert outcome.choice == Configuration.of(1)
    both = (outcome.screened[outcome.choice], outcome.confirmed[outcome.choice])
    assert outcome.claim == min(found.rate for found in both)
    assert Outcome().claim is None


def test_blocking_workers_that_wait_need_more_than_twice_the_cores() -> None:
    outcome, _ = _tune(replace(TWO, cpu=0.005, wait=0.015, blocking=True))
    assert outcome.choice is not None
    assert outcome.choice.total_workers in {7, 8, 9}


def test_a_slow_database_is_named_and_one_worker_kept() -> None:
    outcome, _ = _tune(replace(TWO, cpu=0.002, database=60))
    assert (outcome.verdict, outcome.choice) == (Verdict.NOT_WORKERS, Configuration.of(1))
    assert "database" in outcome.why


def test_limits_are_kept_though_more_would_be_faster() -> None:
    mib = 1024**2
    limits = Limits(8, memory=330 * mib, database_connections=45, connections_per_worker={"app": 10})
    outcome, target = _tune(replace(TWO, cores=8, limits=limits))
    assert target.broken == []
    assert outcome.choice == Configuration.of(4)
    assert "70 database connections of 45" in outcome.rejected.values()


def test_one_that_collapses_under_overload_is_not_chosen() -> None:
    class Collapsing(SimulatedTarget):
        """Two workers answer nothing beyond twice their capacity."""

        def measure(self, rate: float, seconds: float, seed: int) -> Measurement:
            taken = super().measure(rate, seconds, seed)
            return replace(taken, answered=0.0) if self._workers == 2 and rate > 300 else taken

    outcome = Session(Collapsing(TWO, 1), SLO, Plan()).run()
    assert outcome.choice is not None
    assert outcome.choice.total_workers > 2
    assert "collapses" in outcome.rejected[Configuration.of(2)]


def test_a_configuration_that_does_not_start_is_no_candidate() -> None:
    class Picky(SimulatedTarget):
        def roll_out(self, configuration: Configuration) -> None:
            if configuration.total_workers == 2:
                raise RollOutFailed("no two workers here")
            super().roll_out(configuration)

    outcome = Session(Picky(TWO, 1), SLO, Plan()).run()
    assert outcome.choice not in {None, Configuration.of(2)}
    assert "no two workers here" in outcome.rejected[Configuration.of(2)]


def test_an_slo_that_nothing_meets_is_invalid() -> None:
    outcome = Session(SimulatedTarget(TWO, 1), Slo(0.001), Plan()).run()
    assert outcome.verdict is Verdict.INVALID
    assert "at any rate; 1 at " in outcome.why
    assert outcome.choice is None


def test_a_generator_that_is_always_too_slow_is_invalid() -> None:
    class Late(SimulatedTarget):
        def measure(self, rate: float, seconds: float, seed: int) -> Measurement:
            return replace(super().measure(rate, seconds, seed), invalid=("the generator was late",))

    outcome = Session(Late(TWO, 1), SLO, Plan()).run()
    assert outcome.verdict is Verdict.INVALID
    assert "the generator was late" in outcome.why


def test_noise_that_hides_every_difference_is_admitted() -> None:
    storm = Noise(boot=0.3, measurement=0.02, mood=0.02)
    equal = replace(TWO, cores=8, contention=0.3, noise=storm, limits=Limits(4, max_workers=4))
    verdicts = {_tune(equal, seed)[0].verdict for seed in range(4)}
    assert Verdict.INCONCLUSIVE in verdicts


def test_a_setting_that_helps_is_chosen_with_the_count() -> None:
    class Tunable(SimulatedTarget):
        """With pool=20 the same workers do 30 % more."""

        def roll_out(self, configuration: Configuration) -> None:
            super().roll_out(configuration)
            self._boot += 0.26 if dict(configuration.knobs)["pool"] == "20" else 0.0

    knobs = {"pool": ("5", "20")}
    outcome = Session(Tunable(TWO, 1), SLO, Plan(), knobs=knobs).run()
    assert outcome.choice is not None
    assert dict(outcome.choice.knobs) == {"pool": "20"}


def test_a_run_that_must_end_in_time_takes_the_rounds_that_fit() -> None:
    target = SimulatedTarget(TWO, 1)
    said: list[str] = []
    plan = replace(QUICK, within=540.0)
    outcome = Session(target, SLO, plan, said.append, repeat=True).run()
    assert outcome.verdict is Verdict.DECIDED
    assert target.clock < 540 - REPORT, "the simulated seconds: all of it, with the confirmation"
    raced = {len(taken) for taken in outcome.rounds.values() if taken}
    assert raced
    assert min(raced) >= plan.looks[0]


def test_with_hardly_any_time_one_is_raced_against_the_rule_of_thumb() -> None:
    said: list[str] = []
    outcome = Session(SimulatedTarget(TWO, 1), SLO, replace(QUICK, within=400.0), said.append).run()
    raced = [key.total_workers for key, taken in outcome.rounds.items() if taken]
    assert len(raced) == 2
    assert raced[-1] == 5
    assert any(line.startswith("no time for all counts") for line in said)


@pytest.mark.parametrize("within", [1.0, 120.0, 180.0])
def test_without_time_for_a_decision_there_is_none(within: float) -> None:
    target = SimulatedTarget(TWO, 1)
    outcome = Session(target, SLO, replace(QUICK, within=within)).run()
    assert outcome.verdict in {Verdict.INVALID, Verdict.INCONCLUSIVE}
    assert "no time" in outcome.why
    assert target.clock <= within


def test_progress_says_what_is_tried_and_why_and_how_long_it_takes() -> None:
    said: list[str] = []
    Session(SimulatedTarget(TWO, 1), SLO, QUICK, said.append).run()
    assert said[0] == "1: a first look"
    assert any(
        re.fullmatch(r"\d+: round 2, at most \d+ \[\d+:\d\d gone, at most \d+:\d\d left\]", line)
        for line in said
    )


def test_the_same_configuration_twice_shows_the_noise() -> None:
    noisy = replace(TWO, noise=Noise(boot=0.1, measurement=0.005, mood=0.0))
    floors = [
        Session(SimulatedTarget(of, 4), SLO, QUICK, repeat=True).run().noise_floor for of in (TWO, noisy)
    ]
    assert floors[0] is not None
    assert floors[1] is not None
    assert floors[0] < 0.06 < floors[1]


def test_one_configuration_that_cannot_be_measured_does_not_end_the_run() -> None:
    class Disturbed(SimulatedTarget):
        """Two workers are disturbed from some moment on."""

        def measure(self, rate: float, seconds: float, seed: int) -> Measurement:
            taken = super().measure(rate, seconds, seed)
            disturbed = self._workers == 2 and self.measurements > 30
            return replace(taken, invalid=("the hypervisor took 20% of the CPU",)) if disturbed else taken

    outcome = Session(Disturbed(TWO, 1), SLO, Plan()).run()
    assert outcome.choice is not None
    assert outcome.choice.total_workers > 2
    assert outcome.rejected[Configuration.of(2)].startswith("could not be measured: the hypervisor")
