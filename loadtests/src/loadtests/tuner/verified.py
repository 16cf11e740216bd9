"""The claimed capacity, checked by the second generator on a fresh start: 95 % must do, 120 % must not."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from loadtests.tuner.clock import Clock, OutOfTime, Stage
from loadtests.tuner.measuring.second import Answers
from loadtests.tuner.model import Configuration, Slo
from loadtests.tuner.outcome import ABOVE, BELOW
from loadtests.tuner.pace import Pace
from loadtests.tuner.plan import check_seconds

_LOADS = 3  # at each of the two; most of them count
_TRIES = 6  # for so many loads, because the machine's pace changes
_CLOSE = 0.04  # of the capacity: the load was what it was meant to be

Asked = tuple[Answers, float]  # and what a rate must be multiplied by for the machine's usual pace
Ask = Callable[[float], Asked]  # rate


@dataclass(frozen=True, slots=True)
class Check:
    """Several loads at one share of the capacity; `shares` are those at the machine's usual pace."""

    wanted: float
    shares: Sequence[float]
    p: Sequence[float]  # at the SLO's percentile, of what was answered; seconds
    slow: Sequence[float]  # share that was not answered well within the SLO's latency
    met: Sequence[bool]

    @property
    def holds(self) -> bool:
        """True if most of the loads met the SLO."""
        return 2 * sum(self.met) > len(self.met)


@dataclass(frozen=True, slots=True)
class Verified:
    capacity: float
    below: Check
    above: Check

    @property
    def holds(self) -> bool:
        return self.below.holds and not self.above.holds

    @property
    def line(self) -> str:
        said = f"{_said(self.below, self.capacity)}; {_said(self.above, self.capacity)}"
        confirmed = "is confirmed" if self.holds else "is not confirmed"
        return (
            f"A second generator, on a fresh start, of the claimed {self.capacity:,.0f}: {said}. "
            f"The claim {confirmed}."
        )


class Checked(Protocol):
    """A target that the second generator can put a load on."""

    @property
    def spent(self) -> float: ...

    def roll_out(self, configuration: Configuration) -> None: ...

    def ask_otherwise(self, rate: float, seconds: float) -> tuple[Answers, float | None]:
        """Also how long the yardstick took meanwhile."""
        ...


def check(
    target: Checked, choice: Configuration, claim: float, slo: Slo, clock: Clock, machine: Pace
) -> Verified:
    """On a fresh start, in the time that is left. Raises RollOutFailed and OutOfTime."""
    seconds, before, begun = check_seconds(slo), clock.spent(), target.spent
    clock.spent, clock.stage = (lambda: before + target.spent - begun), Stage.CHECKING
    clock.begin()
    target.roll_out(choice)

    def ask(rate: float) -> Asked:
        clock.ask(seconds)
        done, length = target.ask_otherwise(rate, seconds)
        clock.took(seconds)
        return done, machine.of(length)

    return verify(ask, claim, slo, machine.now)


def verify(ask: Ask, capacity: float, slo: Slo, factor: float = 1.0) -> Verified:
    """`ask` puts a load of the given rate on the target; `factor` is what the machine's pace was last.

    The two shares take turns, so that the machine's mood falls on both. Raises OutOfTime if there was no time
    for one load of each.
    """
    taken: dict[float, list[tuple[float, Answers]]] = {BELOW: [], ABOVE: []}
    try:
        for _ in range(_TRIES):
            for wanted, loads in taken.items():
                if len(_good(wanted, loads)) < _LOADS:
                    done, pace = ask(wanted * capacity / factor)
                    loads.append((wanted * pace / factor, done))
                    factor = pace
    except OutOfTime:
        if not all(taken.values()):
            raise
    below, above = (_check(wanted, _closest(wanted, loads), slo) for wanted, loads in taken.items())
    return Verified(capacity, below, above)


def _good(wanted: float, loads: Sequence[tuple[float, Answers]]) -> Sequence[tuple[float, Answers]]:
    return [one for one in loads if abs(one[0] - wanted) <= _CLOSE]


def _closest(wanted: float, loads: Sequence[tuple[float, Answers]]) -> Sequence[tuple[float, Answers]]:
    return sorted(loads, key=lambda one: abs(one[0] - wanted))[:_LOADS]


def _check(wanted: float, taken: Sequence[tuple[float, Answers]], slo: Slo) -> Check:
    slow = [done.slow(slo.latency) for _, done in taken]
    failed = [done.failed / max(1, done.due) for _, done in taken]
    return Check(
        wanted,
        [share for share, _ in taken],
        [done.histogram.percentile(slo.percentile) for _, done in taken],
        slow,
        [a <= 1 - slo.percentile / 100 and b <= slo.errors for a, b in zip(slow, failed, strict=True)],
    )


def keep(file: Path, found: Verified) -> None:
    file.write_text(json.dumps(asdict(found), indent=2) + "\n")


def kept(file: Path) -> Verified | None:
    if not file.exists():
        return None
    found = json.loads(file.read_text())
    return Verified(found["capacity"], Check(**found["below"]), Check(**found["above"]))


def _said(check: Check, capacity: float) -> str:
    """Such as `at 94 to 97 % (190 requests/s) the SLO was met in 3 of 3 loads`."""
    low, high = min(check.shares), max(check.shares)
    shares = f"{low:.0%}" if round(low, 2) == round(high, 2) else f"{100 * low:.0f} to {high:.0%}"
    rate = capacity * sum(check.shares) / len(check.shares)
    return (
        f"at {shares} ({rate:,.0f} requests/s) the SLO was met in {sum(check.met)} of {len(check.met)} loads"
    )
