"""What a model costs, measured at warm-up; from it follows where its requests are computed."""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Final

REPEATS: Final = 5
MANY: Final = 32
INLINE_SECONDS: Final = 200e-6
"""The longest computation on the event loop: no other request should wait longer for this one. The way to a
thread and back costs 30 to 60 µs, so that shorter ones are cheaper where they are."""
HOP_SECONDS: Final = 100e-6
"""What batching costs a request: a future, a thread's wake-up, and the wait for others."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds for one row and for `MANY` rows; in between it is taken to be a line."""

    one: float
    many: float

    @property
    def per_row(self) -> float:
        """Of each further row."""
        return max((self.many - self.one) / (MANY - 1), 1e-9)

    @property
    def per_call(self) -> float:
        """What rows that are computed together pay only once."""
        return max(self.one - self.per_row, 0.0)

    def of(self, rows: int) -> float:
        """Estimated seconds for one call with `rows` rows."""
        return self.per_call + self.per_row * rows

    @property
    def inline_rows(self) -> int:
        """The most rows that may be computed on the event loop; 0 for a model that never may."""
        return max(int((INLINE_SECONDS - self.per_call) / self.per_row), 0)

    @property
    def batching_pays(self) -> bool:
        """True if a row saves more in a batch than batching costs it."""
        return self.one - self.many / MANY > HOP_SECONDS


def measured(run: Callable[[int], object]) -> Costs:
    """The best of a few runs each: whatever disturbs a run makes it slower, never faster."""
    return Costs(_best(run, 1), _best(run, MANY))


def _best(run: Callable[[int], object], rows: int) -> float:
    times = []
    for _ in range(REPEATS):
        started = perf_counter()
        run(rows)
        times.append(perf_counter() - started)
    return min(times)
