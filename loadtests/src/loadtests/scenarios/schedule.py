"""When open-loop actions are due."""

import random


class Schedule:
    """Moments of a Poisson process, or `even` ones, on whatever clock `begin` was told.

    The same seed gives the same gaps. A moment that is `give_up` seconds old is never taken: what waits is
    bounded, however long the system does not answer.
    """

    def __init__(self, give_up: float = 15.0) -> None:
        self._give_up = give_up
        self._gaps = random.Random(0)  # noqa: S311 - load, not secrets
        self._even = False
        self._rate = 0.0
        self._next: float | None = None
        self.began: float | None = None  # on the same clock

    def begin(self, rate: float, now: float, seed: int | str | None = None, *, even: bool = False) -> None:
        """`rate` is a second. Beginning again while it runs changes the rate only."""
        self._rate = rate
        if self._next is None:
            self._gaps.seed(seed)
            self._even = even
            self.began, self._next = now, now + self._gap()

    def take(self) -> float | None:
        """The next moment, which is then taken; None before the schedule began and after its end.

        Call `missed` first: it removes what is too old.
        """
        if self._next is None:
            return None
        taken = self._next
        self._next += self._gap()
        return taken

    def missed(self, now: float) -> int:
        """How many moments have become too old to be taken since the last call; they are removed."""
        return self._drop(now - self._give_up)

    def end(self, now: float) -> int:
        """Close it. Returns how many moments had passed and were not taken."""
        count = self._drop(now)
        self._next = None
        return count

    def _drop(self, until: float) -> int:
        count = 0
        while self._next is not None and self._next <= until:
            count += 1
            self._next += self._gap()
        return count

    def _gap(self) -> float:
        return 1 / self._rate if self._even else self._gaps.expovariate(self._rate)
