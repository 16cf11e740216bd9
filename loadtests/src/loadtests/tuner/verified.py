"""What the second generator found of the claimed capacity: 95 % must do, 120 % must not."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from loadtests.tuner import files
from loadtests.tuner.measuring.second import Answers
from loadtests.tuner.model import Slo

COMPARABLE = 1.2  # times more or less than in the rounds; beyond it the machine is another


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

    @property
    def missed(self) -> bool:
        """True if most of the loads missed it; as many of each say neither."""
        return 2 * sum(self.met) < len(self.met)


@dataclass(frozen=True, slots=True)
class Verified:
    """`references` are what the first generator found between the loads, as shares of what it had found in
    the rounds. The loads follow them: they are shares of the claim at the pace of their minutes.
    """

    capacity: float
    below: Check
    above: Check
    references: Sequence[float] = ()

    @property
    def drift(self) -> float:
        """The references' mean; 1 if there is none."""
        logs = [math.log(share) for share in self.references]
        return math.exp(sum(logs) / len(logs)) if logs else 1.0

    @property
    def comparable(self) -> bool:
        return abs(math.log(self.drift)) <= math.log(COMPARABLE)

    @property
    def holds(self) -> bool:
        return self.comparable and self.below.holds and self.above.missed

    @property
    def line(self) -> str:
        said = f"{_said(self.below, self)}; {_said(self.above, self)}"
        confirmed = "is confirmed" if self.holds else "is not confirmed"
        return (
            f"A second generator, on a fresh start, of the claimed {self.capacity:,.0f}{self._pace()}: "
            f"{said}. The claim {confirmed}{'' if self.comparable else _ANOTHER}."
        )

    def _pace(self) -> str:
        if not self.references:
            return ""
        change = self.drift - 1
        if abs(change) < 0.005:  # noqa: PLR2004 - no per cent
            return " (between its loads the first one found what it had found in the rounds)"
        more = "more" if change > 0 else "less"
        return (
            f" (between its loads the first one found {abs(change):.0%} {more} than in the rounds, and the "
            "shares are of the claim at that pace)"
        )


_ANOTHER = f", because more than {COMPARABLE - 1:.0%} of change since the rounds may as well be a wrong claim"


def judged(wanted: float, taken: Sequence[tuple[float, Answers]], slo: Slo) -> Check:
    """`taken` are shares of the capacity and what was answered."""
    slow = [done.slow(slo.latency) for _, done in taken]
    failed = [done.failed / max(1, done.due) for _, done in taken]
    return Check(
        wanted,
        [share for share, _ in taken],
        [done.histogram.percentile(slo.percentile) for _, done in taken],
        slow,
        [a <= slo.slow and b <= slo.errors for a, b in zip(slow, failed, strict=True)],
    )


def keep(file: Path, found: Verified) -> None:
    files.put(file, json.dumps(asdict(found), indent=2) + "\n")


def kept(file: Path) -> Verified | None:
    """Files of earlier versions have no references."""
    if not file.exists():
        return None
    found = files.kept(file)
    below, above = Check(**found["below"]), Check(**found["above"])
    return Verified(found["capacity"], below, above, found.get("references", ()))


def _said(check: Check, found: Verified) -> str:
    """Such as `at 94 to 97 % (190 requests/s) the SLO was met in 3 of 3 loads`."""
    low, high = min(check.shares), max(check.shares)
    shares = f"{low:.0%}" if round(low, 2) == round(high, 2) else f"{100 * low:.0f} to {high:.0%}"
    rate = found.capacity * found.drift * sum(check.shares) / len(check.shares)
    return (
        f"at {shares} ({rate:,.0f} requests/s) the SLO was met in {sum(check.met)} of {len(check.met)} loads"
    )
