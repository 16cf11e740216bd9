"""Tunes several services at once, under one budget of CPUs, memory and database connections.

A first look starts with one worker each and grows one service at a time, always the one that helps most, as
long as one helps and the budget allows it. What came close enters the same rounds as everywhere else.
"""

from loadtests.tuner.capacity import Capacity
from loadtests.tuner.model import Configuration
from loadtests.tuner.runner import Runner
from loadtests.tuner.screening import RESOLUTION, STEP, Screened
from loadtests.tuner.session import Session

_HELPS = 1.03  # times the capacity: worth a worker, as far as one look can tell
_STALLED = 2  # rounds of the climb without any help, after which it ends


class ChainSession(Session):
    """The target's `services` are tuned together; its limits hold for all of them together."""

    def screen(self) -> Screened:
        return climb(self.runner)


def climb(runner: Runner) -> Screened:
    """Raises NothingValid."""
    found: Screened = {}
    here = Configuration.of(dict.fromkeys(runner.target.services, 1))
    first = _look(runner, here, runner.plan.first_rate, found, "one worker each")
    if first is None or not first.rate:
        return found
    stalled = 0
    while stalled < _STALLED:
        start = found[here].rate
        for neighbour in _larger(here):
            if neighbour not in found and neighbour not in runner.rejected:
                _look(runner, neighbour, start, found, "one service larger")
        near = [neighbour for neighbour in _larger(here) if neighbour in found]
        if not near:
            break
        here = max(near, key=lambda key: found[key].rate)
        stalled = 0 if found[here].rate > _HELPS * start else stalled + 1
    return found


def _look(
    runner: Runner, configuration: Configuration, guess: float, found: Screened, why: str
) -> Capacity | None:
    capacity = runner.capacity(configuration, guess, step=STEP, resolution=RESOLUTION, why=why)
    if capacity is not None:
        found[configuration] = capacity
    return capacity


def _larger(here: Configuration) -> list[Configuration]:
    """Each service in turn with half as many workers again, at least one more."""
    counts = dict(here.workers)
    return [Configuration.of({**counts, name: count + max(1, count // 2)}) for name, count in here.workers]
