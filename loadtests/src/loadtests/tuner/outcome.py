"""What a run found. Everything that the report shows is here or in the journal."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from loadtests.tuner.bottleneck import Bottleneck
from loadtests.tuner.capacity import Capacity
from loadtests.tuner.clock import Clock
from loadtests.tuner.model import Configuration
from loadtests.tuner.pace import Pace
from loadtests.tuner.statistics import Comparison
from loadtests.tuner.stress import Stress

BELOW, ABOVE = 0.95, 1.20  # of the claim: there the SLO must be met, and missed
CLAIMED = 1 / math.sqrt(BELOW * ABOVE)  # of the middle of the interval, at least


class Verdict(Enum):
    DECIDED = "decided"
    NO_DIFFERENCE = "no difference can be shown"
    NOT_WORKERS = "workers are not your bottleneck"
    INCONCLUSIVE = "inconclusive"
    INVALID = "invalid"
    MEASURED = "measured only"


@dataclass(slots=True)
class Outcome:
    """`choice` is also there when the run is inconclusive: the best guess, and labelled so."""

    verdict: Verdict = Verdict.INVALID
    why: str = ""
    choice: Configuration | None = None
    bottleneck: Bottleneck | None = None
    screened: dict[Configuration, Capacity] = field(default_factory=dict)
    rounds: dict[Configuration, list[Capacity]] = field(default_factory=dict)
    comparison: Comparison[Configuration] | None = None
    compared: dict[Configuration, Comparison[Configuration]] = field(default_factory=dict)  # each one's last
    rejected: dict[Configuration, str] = field(default_factory=dict)  # never run, or dropped; and why
    confirmed: dict[Configuration, Capacity] = field(default_factory=dict)  # on one more fresh boot
    stress: dict[Configuration, Stress] = field(default_factory=dict)
    machine: Pace | None = None  # how its pace changed
    clock: Clock | None = None  # what is left of the run's time
    repeated: tuple[float, float] | None = None  # capacities of one configuration, started twice

    @property
    def noise_floor(self) -> float | None:
        """By how much two results of the same configuration differed, as a share."""
        return abs(self.repeated[1] / self.repeated[0] - 1) if self.repeated else None

    @property
    def claim(self) -> float | None:
        """The capacity of the choice that is claimed: the lower end of its 95 % interval.

        Every second start falls short of the middle. But it is not below `CLAIMED` of the middle: 95 % and
        120 % of that are equally far from it, and less would be too low to be missed at 120 %. Where nothing
        was raced, there is no interval; then it is the lowest that was measured.
        """
        if self.choice is None:
            return None
        if self.comparison and self.choice in self.comparison.low:
            return max(self.comparison.low[self.choice], CLAIMED * self.comparison.means[self.choice])
        found = [self.screened.get(self.choice), self.confirmed.get(self.choice)]
        return min((capacity.rate for capacity in found if capacity), default=None)

    def capacities(self) -> Mapping[Configuration, float]:
        """The geometric mean of the rounds where there were any, else the screening's."""
        found = {key: capacity.rate for key, capacity in self.screened.items()}
        found |= {key: seen.means[key] for key, seen in self.compared.items()}
        return {**found, **(self.comparison.means if self.comparison else {})}
