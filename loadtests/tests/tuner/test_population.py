# ruff: noqa: T201 - the soak prints its figures
"""The whole decision on hundreds of simulated systems whose best configuration is known.

`make test` takes some of them; `make soak` takes all, and prints what it found.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

import pytest

from loadtests.tuner import candidates
from loadtests.tuner.model import Configuration, Slo
from loadtests.tuner.outcome import Outcome
from loadtests.tuner.plan import Plan
from loadtests.tuner.race import Race
from loadtests.tuner.runner import Runner
from loadtests.tuner.second_check import check
from loadtests.tuner.session import Session
from loadtests.tuner.simulator.population import population
from loadtests.tuner.simulator.target import SimulatedTarget
from loadtests.tuner.usl import HeldOut, held_out
from loadtests.tuner.verified import Verified

# What finding a capacity takes without any knowledge: from within a factor of 8 to within 3 %.
BISECTION = 6
ENOUGH = 8  # counts; a grid of fewer is hardly larger than what any decision takes
SHORT = pytest.param(40, id="short")
WHOLE = pytest.param(360, id="whole", marks=pytest.mark.soak)


@dataclass(frozen=True, slots=True)
class Run:
    """`rounds`: as many as the race itself took, so that the grid is no straw man."""

    reached: float  # of the true best capacity
    broken: list[str]
    counts: int  # that the limits allow
    trials: int  # rates tried; a trial with few requests is measured twice, in any grid too
    grid: int
    overloads: int
    unseen: list[HeldOut]
    verified: Verified | None  # on a fresh start; None if nothing was chosen


@lru_cache(maxsize=2)
def _runs(count: int) -> list[Run]:
    return [_run(seed, *system) for seed, system in enumerate(population(count, 2026))]


def _run(seed, system, slo) -> Run:  # type: ignore[no-untyped-def] # as population yields them
    target = SimulatedTarget(system, seed)
    outcome = Session(target, slo, Plan(seed=seed)).run()
    largest = candidates.largest(system.limits)
    allowed = [n for n in range(1, largest + 1) if system.breaks(Configuration.of(n)) is None]
    rounds = max((len(taken) for taken in outcome.rounds.values()), default=0)
    chosen = system.capacity(outcome.choice.total_workers, slo) if outcome.choice else 0.0
    return Run(
        chosen / system.best(slo, largest)[1],
        target.broken,
        len(allowed),
        _trials(outcome),
        len(allowed) * max(rounds, Plan().looks[0]) * BISECTION,
        _overloads(outcome),
        _unseen(outcome),
        _verified(target, outcome, slo),
    )


def _verified(target: SimulatedTarget, outcome: Outcome, slo: Slo) -> Verified | None:
    return check(target, outcome, slo)


def _trials(outcome: Outcome) -> int:
    found = [*outcome.screened.values(), *outcome.confirmed.values(), *chain(*outcome.rounds.values())]
    return sum(len(capacity.trials) for capacity in found) + _overloads(outcome)


def _overloads(outcome: Outcome) -> int:
    return sum(len(seen.overloads) + 1 for seen in outcome.stress.values())


def _alike(runs: list[Run]) -> str:
    """If the grid's choice were confirmed by one more search, and overloaded."""
    grids = [run.grid + BISECTION + run.overloads for run in runs]
    above = sum(run.trials > grid / 3 for run, grid in zip(runs, grids, strict=True))
    return f"{sum(run.trials for run in runs) / sum(grids):.1%}, {above} above a third"


def _unseen(outcome: Outcome) -> list[HeldOut]:
    capacities = {key.total_workers: rate for key, rate in outcome.capacities().items() if rate > 0}
    fitted = held_out(capacities)
    return list(fitted[1]) if fitted else []


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("count", [SHORT, WHOLE])
def test_the_choice_is_within_five_per_cent_of_the_best(count: int) -> None:
    runs = _runs(count)
    good = sum(run.reached >= 0.95 for run in runs) / count
    print(f"{count} systems: within 5 % of the best in {good:.1%}, worst {min(r.reached for r in runs):.1%}")
    assert good >= 0.95


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("count", [SHORT, WHOLE])
def test_the_claim_holds_on_a_fresh_start(count: int) -> None:
    """As in a run: most loads at 95 % of it meet the SLO, most at 120 % miss it."""
    found = [run.verified for run in _runs(count) if run.verified]
    below, above = sum(seen.below.holds for seen in found), sum(seen.above.missed for seen in found)
    both = sum(seen.holds for seen in found)
    print(f"{len(found)} claims: 95 % met in {below}, 120 % missed in {above}, both in {both}")
    assert len(found) >= 0.98 * count
    assert both / len(found) >= 0.95


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("count", [SHORT, WHOLE])
def test_no_limit_is_ever_broken(count: int) -> None:
    assert [run.broken for run in _runs(count) if run.broken] == []


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("count", [SHORT, WHOLE])
def test_a_third_of_the_full_grid_is_enough(count: int) -> None:
    """Not for a handful of counts: the first search, confirming and stressing cost the same for any."""
    runs = _runs(count)
    shares = sorted(run.trials / run.grid for run in runs)
    whole = sum(run.trials for run in runs) / sum(run.grid for run in runs)
    few = [run for run in runs if run.counts < ENOUGH]
    many = [run.trials / run.grid for run in runs if run.counts >= ENOUGH]
    above = sum(run.trials > run.grid / 3 for run in few)
    print(
        f"trials: {whole:.1%} of all grids together, median {shares[count // 2]:.1%}; "
        f"{len(many)} systems with at least {ENOUGH} counts: at most {max(many):.1%}; "
        f"{len(few)} with fewer: {sum(run.trials for run in few) / sum(run.grid for run in few):.1%} "
        f"of their grids together, {above} above a third, at most {max(run.trials for run in few)} trials; "
        f"with what confirms and overloads the choice counted for the grid too {_alike(few)}"
    )
    assert whole <= 1 / 3
    assert shares[count // 2] <= 1 / 3
    assert max(many) <= 1 / 3


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("count", [SHORT, WHOLE])
def test_counts_that_the_law_has_not_seen_are_inside_its_intervals(count: int) -> None:
    points = [point for run in _runs(count) for point in run.unseen]
    inside = sum(point.inside for point in points) / len(points)
    errors = sorted(abs(point.error) for point in points)
    print(f"{len(points)} held-out counts: {inside:.1%} inside, median error {errors[len(errors) // 2]:.1%}")
    assert inside >= 0.9


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("count", [SHORT, WHOLE])
def test_equal_configurations_are_told_apart_at_most_one_time_in_twenty(count: int) -> None:
    """A/A: four names for the same workers, on the same noise as everywhere else, drift included."""
    called = 0
    for seed, (system, slo) in enumerate(population(count, 7)):
        target = SimulatedTarget(system, seed)
        runner = Runner(target, slo, Plan(seed=seed), lambda _: None)
        same = [Configuration.of(1, copy=copy) for copy in range(4)]
        race = Race(dict.fromkeys(same, system.capacity(1, slo)))
        race.run(runner)
        called += race.comparison is not None and race.comparison.differs
    print(f"A/A: differences called in {called} of {count}")
    assert called / count <= 0.05
