"""The claimed capacity, checked by the second generator on a fresh start: 95 % must do, 120 % must not."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from loadtests.tuner.measuring.second import Answers
from loadtests.tuner.model import Slo

BELOW, ABOVE = 0.95, 1.20  # of the capacity
_LOADS = 3  # at each of the two; most of them count
_TRIES = 6  # for so many loads, because the machine's pace changes
_SECONDS = 6.0  # of each load, at least
_LONG = 16  # times the SLO's latency, at least: an overload by a tenth has to show
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


def check_seconds(slo: Slo) -> float:
    """How long each load lasts."""
    return max(_SECONDS, _LONG * slo.latency)


def verify(ask: Ask, capacity: float, slo: Slo, factor: float = 1.0) -> Verified:
    """`ask` puts a load of the given rate on the target; `factor` is what the machine's pace was last."""
    now = [factor]

    def check(wanted: float) -> Check:
        taken = []
        for _ in range(_TRIES):
            rate = wanted * capacity / now[-1]
            done, pace = ask(rate)
            now.append(pace)
            taken.append((rate * pace / capacity, done))
            good = [one for one in taken if abs(one[0] - wanted) <= _CLOSE]
            if len(good) == _LOADS:
                break
        closest = sorted(taken, key=lambda one: abs(one[0] - wanted))[:_LOADS]
        return _check(wanted, closest, slo)

    return Verified(capacity, check(BELOW), check(ABOVE))


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
