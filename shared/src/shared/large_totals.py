"""Totals that were estimated lately: to count to a thousand and to estimate again takes two statements."""

import time
from collections.abc import Callable
from typing import Final

from shared.pages import Total

SECONDS: Final = 10.0
MOST: Final = 256  # lists; at so many all are forgotten


class LargeTotals:
    """Of one database, by the `scope` of the list. An estimate is off by more than a list grows meanwhile."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[float, Total]] = {}

    def keep(self, scope: str, total: Total) -> None:
        if len(self._kept) >= MOST:
            self._kept.clear()
        self._kept[scope] = self._clock() + SECONDS, total

    def find(self, scope: str) -> Total | None:
        until, total = self._kept.get(scope, (0.0, None))
        return total if self._clock() < until else None
