"""Checks the claimed capacity on a fresh start by the second generator, with the first one beside it.

A claim is one of the minutes in which it was measured. Minutes later the same machine may do a tenth less. So
the first generator finds the capacity again before each pair of loads, as it did in the rounds, and the
second one's loads are shares of the claim at that pace. A wrong claim stays wrong, because the pace is that
of the first generator against itself, and not against the claim.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Protocol

from loadtests.tuner.capacity import NothingValid, Search
from loadtests.tuner.clock import OutOfTime, Stage
from loadtests.tuner.measuring.second import Answers
from loadtests.tuner.model import Configuration, Measurement, Slo
from loadtests.tuner.outcome import ABOVE, BELOW, Outcome
from loadtests.tuner.verified import Verified, judged

_MOST = 5  # loads at each of the two shares: they end when more than half of so many agree
_TRIES = 8  # for so many loads, because the machine's pace changes
_CLOSE = 0.04  # of the capacity: the load was what it was meant to be
_SEEDS = 8_000_000

Asked = tuple[Answers, float]  # and what a rate must be multiplied by for the machine's usual pace
Ask = Callable[[float], Asked]  # rate
Refer = Callable[[float], float | None]  # share of the rounds' capacity, by what it was found to be so far
Loads = Sequence[tuple[float, Answers]]


class Checked(Protocol):
    """A target that both generators can put a load on."""

    @property
    def spent(self) -> float: ...

    def roll_out(self, configuration: Configuration) -> None: ...

    def measure(self, rate: float, seconds: float, seed: int) -> Measurement: ...

    def ask_otherwise(self, rate: float, seconds: float, seed: int) -> tuple[Answers, float | None]:
        """Also how long the yardstick took meanwhile."""
        ...


def check(target: Checked, outcome: Outcome, slo: Slo) -> Verified | None:
    """In the time that is left; None if there is no claim. Raises RollOutFailed and OutOfTime."""
    choice, claim, clock, machine = outcome.choice, outcome.claim, outcome.clock, outcome.machine
    if choice is None or claim is None or clock is None or machine is None:
        return None
    seconds, before, begun = clock.plan.lasting(slo, claim), clock.spent(), target.spent
    clock.spent, clock.stage = (lambda: before + target.spent - begun), Stage.CHECKING
    clock.begin()
    target.roll_out(choice)
    seeds, plan, estimate = itertools.count(_SEEDS), clock.plan, outcome.capacities()[choice]
    paces = [machine.now]

    def measure(rate: float, seconds: float) -> Measurement:
        clock.ask(seconds)
        taken = target.measure(rate, seconds, next(seeds))
        clock.took(seconds)
        paces.append(machine.of(taken.resources.yardstick))
        return taken

    def refer(last: float) -> float | None:
        search = Search(slo, plan, measure, machine.factor(choice))
        try:
            found = search.find(estimate * last / paces[-1], step=plan.step, resolution=plan.resolution)
        except NothingValid:
            return None
        return found.rate / estimate or None

    def ask(rate: float) -> Asked:
        clock.ask(seconds)
        done, length = target.ask_otherwise(rate, seconds, next(seeds))
        clock.took(seconds)
        paces.append(machine.of(length))
        return done, paces[-1]

    return verify(ask, claim, slo, paces, refer)


def verify(
    ask: Ask, capacity: float, slo: Slo, paces: Sequence[float] = (1.0,), refer: Refer = lambda _: None
) -> Verified:
    """`ask` puts a load of the given rate on the target; the last of `paces` is the machine's now.

    The two shares take turns, after a reference each time. Raises OutOfTime if there was no time for one load
    of each.
    """
    taken: dict[float, list[tuple[float, Answers]]] = {BELOW: [], ABOVE: []}
    references: list[float] = []
    try:
        for _ in range(_TRIES):
            left = [wanted for wanted, loads in taken.items() if not _agreed(wanted, loads, slo)]
            if not left:
                break
            if found := refer(_mean(references)):
                references.append(found)
            now = capacity * _mean(references)
            for wanted in left:
                rate = wanted * now / paces[-1]
                done, pace = ask(rate)
                taken[wanted].append((rate * pace / now, done))
    except OutOfTime:
        if not all(taken.values()):
            raise
    below, above = (judged(wanted, _closest(wanted, loads), slo) for wanted, loads in taken.items())
    return Verified(capacity, below, above, references)


def _mean(shares: Sequence[float]) -> float:
    return math.exp(sum(map(math.log, shares)) / len(shares)) if shares else 1.0


def _agreed(wanted: float, loads: Loads, slo: Slo) -> bool:
    """True if no further load could change what most of them say."""
    met = judged(wanted, [one for one in loads if abs(one[0] - wanted) <= _CLOSE], slo).met
    return max(sum(met), len(met) - sum(met)) > _MOST // 2


def _closest(wanted: float, loads: Loads) -> Loads:
    """Those that were what they were meant to be, or as many of the others as make three."""
    ranked = sorted(loads, key=lambda one: abs(one[0] - wanted))
    close = [one for one in ranked if abs(one[0] - wanted) <= _CLOSE]
    return max(close[:_MOST], ranked[:3], key=len)
