"""A chosen capacity, checked by the second generator on a fresh start: 95 % must do, 120 % must not."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from loadtests.tuner.measuring.second import Answers
from loadtests.tuner.model import Slo

BELOW, ABOVE = 0.95, 1.20  # of the capacity


@dataclass(frozen=True, slots=True)
class Check:
    rate: float
    p: float  # at the SLO's percentile, of what was answered; seconds
    slow: float  # share that was not answered well within the SLO's latency
    met: bool


@dataclass(frozen=True, slots=True)
class Verified:
    capacity: float
    below: Check
    above: Check

    @property
    def holds(self) -> bool:
        return self.below.met and not self.above.met

    @property
    def line(self) -> str:
        return (
            f"A second generator, on a fresh start: {_said(self.below, BELOW)}; {_said(self.above, ABOVE)}. "
            f"The capacity {'is confirmed' if self.holds else 'is not confirmed'}."
        )


def verify(ask: Callable[[float], Answers], capacity: float, slo: Slo) -> Verified:
    """`ask` puts a load of the given rate on the target."""

    def check(share: float) -> Check:
        done = ask(share * capacity)
        slow = done.slow(slo.latency)
        failed = done.failed / max(1, done.due)
        met = slow <= 1 - slo.percentile / 100 and failed <= slo.errors
        return Check(share * capacity, done.histogram.percentile(slo.percentile), slow, met)

    return Verified(capacity, check(BELOW), check(ABOVE))


def keep(file: Path, found: Verified) -> None:
    file.write_text(json.dumps(asdict(found), indent=2) + "\n")


def kept(file: Path) -> Verified | None:
    if not file.exists():
        return None
    found = json.loads(file.read_text())
    return Verified(found["capacity"], Check(**found["below"]), Check(**found["above"]))


def _said(check: Check, share: float) -> str:
    """Such as `at 95 % (190 requests/s) 0.2% were slow, so the SLO is met`."""
    met = "met" if check.met else "missed"
    return f"at {share:.0%} ({check.rate:,.0f} requests/s) {check.slow:.1%} were slow, so the SLO is {met}"
