"""How much of a run's time is left, and what its parts cost: it ends in time, whatever the machine's pace.

Prices are those of late, because a machine may become slower. Each load and each start is refused if, at
these prices, what must follow would no longer fit. So a run gives up rounds, and never its end.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from statistics import fmean

from loadtests.tuner.model import Slo
from loadtests.tuner.plan import REPORT, STRESSING, Plan

_LATE = 6  # searches whose mean is the price of the next ones
_DEAREST = 3  # starts of which the dearest is the price of the next one
_LOADS = 8  # of which the one with the longest way around it counts
CHECKS = 6  # loads of the second generator, at least
REFERENCES = 6  # loads of the first one between them
_SMALLEST = 2  # rounds that a comparison needs at least


class OutOfTime(Exception):
    """What must follow needs the rest of the time."""


class Stage(IntEnum):
    """Each keeps time for those after it."""

    LOOKS = 0
    ROUNDS = 1
    CONFIRMING = 2
    OVERLOADING = 3
    CHECKING = 4


@dataclass(slots=True)
class Clock:
    """`spent` says how many seconds the run took so far, and changes with every load."""

    plan: Plan
    slo: Slo
    spent: Callable[[], float]
    stage: Stage = Stage.LOOKS
    _starts: list[float] = field(default_factory=list)
    _lengths: list[float] = field(default_factory=list)  # seconds of the loads themselves
    _around: list[float] = field(default_factory=list)  # seconds of a load beyond its own
    _searches: list[float] = field(default_factory=list)
    _at: float = 0.0
    _starting: bool = False

    @property
    def left(self) -> float:
        """Seconds until everything must be done."""
        return float("inf") if self.plan.within is None else self.plan.within - self.spent()

    def begin(self) -> None:
        """A configuration is to be started. Raises OutOfTime."""
        self._at, self._starting = self.spent(), True
        self._keep(self.start)

    def ask(self, seconds: float) -> None:
        """A load is to be put on it. Raises OutOfTime."""
        self._keep(self.load(seconds) + (self.start if self._starting else 0.0))

    def took(self, seconds: float) -> None:
        """The load is over. What came before the first one was the start."""
        self._lengths.append(seconds)
        cost, self._at = self.spent() - self._at, self.spent()
        if self._starting:
            self._starts.append(max(0.0, cost - self.load(seconds)))
        else:
            self._around.append(max(0.0, cost - seconds))
        self._starting = False

    def searched(self, seconds: float) -> None:
        self._searches.append(seconds)

    @property
    def start(self) -> float:
        """Of a configuration; the first may make what the others find made."""
        return max((self._starts[1:] or self._starts)[-_DEAREST:], default=0.0)

    def load(self, seconds: float) -> float:
        return seconds + max(self._around[-_LOADS:], default=0.0)

    @property
    def search(self) -> float:
        """For one capacity, with the start; the first one knew nothing."""
        known = self._searches[1:] or self._searches
        return fmean(known[-_LATE:]) if known else 0.0

    def time_for(self, searches: float, rounds: int = 0, arms: int = 0) -> bool:
        """True if so many searches fit before so many rounds and the end."""
        return self.left >= (searches + rounds * arms) * self.search + self._kept(Stage.ROUNDS)

    def rounds(self, arms: int) -> int:
        """How many of so many configurations fit before the end."""
        least = max(self.search, 1e-9)
        return max(0, int(min(1e6, (self.left - self._kept(Stage.ROUNDS)) / (arms * least))))

    def _keep(self, seconds: float) -> None:
        if self.plan.within is not None and self.left < seconds + self._kept(self.stage):
            raise OutOfTime

    def _kept(self, stage: Stage) -> float:
        """Seconds for what comes after the stage."""
        short = self.load(self.plan.shortest)
        long = self.load(max(self._lengths[-_LOADS:], default=self.plan.lasting(self.slo)))
        parts = {
            Stage.LOOKS: 2 * _SMALLEST * self.search,
            Stage.ROUNDS: max(self._searches[-_LATE:], default=0.0),
            Stage.CONFIRMING: STRESSING * short,
            Stage.OVERLOADING: self.start + (CHECKS + REFERENCES) * long if self.plan.checked else 0.0,
            Stage.CHECKING: REPORT,
        }
        return sum(seconds for of, seconds in parts.items() if of >= stage)


def least(arms: Sequence[object], rounds: int) -> list[tuple[int, int]]:
    """What to try if there is little time: how many of the configurations, and how many rounds of them."""
    three = range(len(arms), 2, -1)
    return [
        *((count, rounds) for count in three),
        *((count, rounds - 1) for count in three[-1:]),
        *((2, fewer) for fewer in range(rounds, _SMALLEST - 1, -1)),
    ]
