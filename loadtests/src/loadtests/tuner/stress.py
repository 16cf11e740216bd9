"""What the winner does with 2 to 10 times its capacity, and after a spike. One that collapses loses."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loadtests.tuner.model import Measurement, Slo

FOLDS = (2.0, 5.0, 10.0)
KEPT = 0.5  # of the capacity must still be answered under overload, however late
CALM = 0.5  # of the capacity: the load after the spike
CHANCES = 3  # measurements in which it must be well again


@dataclass(frozen=True, slots=True)
class Overload:
    fold: float
    answered: float  # share of the capacity
    goodput: float  # share of the capacity
    taken: Measurement

    @property
    def valid(self) -> bool:
        return self.taken.valid


@dataclass(frozen=True, slots=True)
class Stress:
    overloads: tuple[Overload, ...]
    recovered: bool

    @property
    def collapse(self) -> str | None:
        """Why the configuration must not be used; None if it holds."""
        for seen in self.overloads:
            if seen.valid and seen.answered < KEPT:
                return f"at {seen.fold:g} times its capacity it answers {seen.answered:.0%} of its capacity"
        return None if self.recovered else "it does not meet the SLO again after a spike"


def stress(
    measure: Callable[[float, float], Measurement],
    capacity: float,
    slo: Slo,
    seconds: float,
    answered: float | None = None,
    folds: Sequence[float] = FOLDS,
) -> Stress:
    """`answered` is what is answered at the capacity, a second, if that is not the capacity itself.

    Overloads of which the generator is not capable are recorded as invalid and decide nothing.
    """
    whole = answered or capacity
    overloads = []
    for fold in folds:
        taken = measure(fold * capacity, seconds)
        overloads.append(Overload(fold, taken.answered / whole, taken.goodput(slo) / whole, taken))
    return Stress(tuple(overloads), _recovers(measure, capacity, slo, seconds))


def _recovers(
    measure: Callable[[float, float], Measurement], capacity: float, slo: Slo, seconds: float
) -> bool:
    for _ in range(CHANCES):
        taken = measure(CALM * capacity, seconds)
        if taken.slow(slo) <= slo.slow * taken.requests:
            return True
    return False
