"""When open-loop actions are due."""

import random


class Schedule:
    """Moments of a Poisson process, on whatever clock `begin` was told."""

    def __init__(self, seed: int | None = None) -> None:
        self._gaps = random.Random(seed)  # noqa: S311 - load, not secrets
        self._rate = 0.0
        self._next: float | None = None

    def begin(self, rate: float, now: float) -> None:
        """`rate` is a second. Beginning twice changes nothing."""
        if self._next is None:
            self._rate = rate
            self._next = now + self._gaps.expovariate(rate)

    def take(self) -> float | None:
        """The next moment, which is then taken; None before the schedule began and after its end."""
        if self._next is None:
            return None
        taken = self._next
        self._next += self._gaps.expovariate(self._rate)
        return taken

    def end(self, now: float) -> list[float]:
        """Close it; for each moment that passed and was not taken, the seconds since."""
        missed = []
        while self._next is not None and self._next <= now:
            missed.append(now - self._next)
            self._next += self._gaps.expovariate(self._rate)
        self._next = None
        return missed
