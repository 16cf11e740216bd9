"""Tunes several services at once, under one budget of CPUs, memory and database connections.

A first look starts with one worker each and grows one of the busiest services at a time, always the one that
helps most, as long as one helps and the budget allows it. What came close enters the rounds, as always.
"""

from collections.abc import Collection, Mapping

from loadtests.tuner import candidates
from loadtests.tuner.capacity import Capacity
from loadtests.tuner.model import Configuration
from loadtests.tuner.race import AFTER
from loadtests.tuner.runner import Runner
from loadtests.tuner.screening import RESOLUTION, STEP, Screened
from loadtests.tuner.session import Session

_NO_TIME = "no time for a further look: the rounds need the rest"
_HELPS = 1.03  # times the capacity: worth a worker, as far as one look can tell
_MOST = 2  # services that are tried larger at each step
_BUSY = 0.15  # of the busiest one's CPU per worker: worth a try
_FULL = 0.95  # of the CPUs, with a load that is too high
_STEPS = 3  # of the climb, as far as can be known before it
_STALLED = 2  # rounds of the climb without any help, after which it ends


class ChainSession(Session):
    """The target's `services` are tuned together; its limits hold for all of them together."""

    def screen(self) -> Screened:
        usual = {name: values[0] for name, values in self.knobs.items()}
        found = climb(self.runner, usual)
        if found:
            self._turn(found, usual)
        return found

    def _most(self) -> int:
        return self.runner.plan.survivors


def climb(runner: Runner, knobs: Mapping[str, str] | None = None) -> Screened:
    """Raises NothingValid."""
    found: Screened = {}
    here = Configuration.of(dict.fromkeys(runner.target.services, 1), **(knobs or {}))
    runner.left = 2 * _STEPS + runner.plan.looks[0] * runner.plan.survivors + AFTER
    first = _look(runner, here, runner.plan.first_rate, found, "one worker each")
    if first is None or not first.rate:
        return found
    rules = _rules(runner, found, knobs or {})
    stalled, best = 0, first.rate
    while stalled < (1 if _saturated(runner, found[here]) else _STALLED):
        start = found[here].rate
        neighbours = _larger(here, found[here])
        for neighbour in neighbours:
            if neighbour in found or neighbour in runner.rejected:
                continue
            if not _time(runner, found, rules):
                runner.hurry(_NO_TIME)
                stalled = _STALLED
                break
            _look(runner, neighbour, start, found, "one service larger")
        near = [neighbour for neighbour in neighbours if neighbour in found]
        if not near:
            break
        here = max(near, key=lambda key: found[key].rate)
        stalled = 0 if found[here].rate > _HELPS * best and stalled < _STALLED else stalled + 1
        best = max(best, found[here].rate)
    return found


def _time(runner: Runner, found: Screened, rules: Collection[Configuration]) -> bool:
    """For a look; the first beside the rules' is a rival that every race needs."""
    rounds, arms = runner.plan.looks[0], min(len(found) + 1, runner.plan.survivors + 1)
    fewest = rounds - 1 if len(found) <= 1 + len(rules) else rounds
    return runner.clock.time_for(1, fewest, arms)


def _saturated(runner: Runner, capacity: Capacity) -> bool:
    """True if all CPU was in use where the SLO was missed, so that more workers hardly help."""
    missed = [trial.measurements[-1].resources for trial in capacity.trials if not trial.met]
    used = [(seen.app_cpus or 0.0) + (seen.database_cpus or 0.0) for seen in missed]
    return max(used, default=0.0) > _FULL * runner.target.limits.cpus


def _rules(runner: Runner, found: Screened, knobs: Mapping[str, str]) -> Collection[Configuration]:
    """What people set without measuring: 2n + 1 workers of each service, and n; n is the number of CPUs.

    First, so that there is time for them.
    """
    looked: list[Configuration] = []
    for rule in (candidates.RULE, "n"):
        each = candidates.thumb(runner.target.services, runner.target.limits, knobs, rule)
        if each not in found and (rule == candidates.RULE or _time(runner, found, looked)):
            best = max(capacity.rate for capacity in found.values())
            if _look(runner, each, best, found, f"{rule} each, as a rule of thumb says"):
                looked.append(each)
    return looked


def _look(
    runner: Runner, configuration: Configuration, guess: float, found: Screened, why: str
) -> Capacity | None:
    capacity = runner.capacity(
        configuration, guess, step=STEP, resolution=RESOLUTION, why=why, known=bool(found)
    )
    if capacity is not None:
        found[configuration] = capacity
    return capacity


def _larger(here: Configuration, capacity: Capacity) -> list[Configuration]:
    """The busiest services in turn with half as many workers again, at least one more."""
    counts = dict(here.workers)
    used = capacity.at_limit.resources.service_cpus
    load = {name: used[name] / count if name in used else 1.0 for name, count in here.workers}
    ranked = sorted(counts, key=lambda name: -load[name])
    busy = [name for name in ranked if load[name] >= _BUSY * load[ranked[0]]]
    return [
        Configuration.of({**counts, name: counts[name] + max(1, counts[name] // 2)}, **dict(here.knobs))
        for name in (busy[:_MOST] if used else ranked)
    ]
