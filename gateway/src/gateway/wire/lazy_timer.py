"""One timer for all the deadlines that a connection has in turn."""

import asyncio
from collections.abc import Callable

_LONGEST = 3600.0


class LazyTimer:
    """Calls `expired` at the deadline that was set last; `name` says which that is.

    Moving a deadline back, as every request does, is an assignment: the timer fires early, sees that, and is
    set anew. Per request that costs no timer at all.
    """

    __slots__ = ("_at", "_deadline", "_expired", "_handle", "_loop", "name")

    def __init__(self, loop: asyncio.AbstractEventLoop, expired: Callable[[], None]) -> None:
        self._loop = loop
        self._expired = expired
        self._deadline = self._at = 0.0
        self._handle: asyncio.TimerHandle | None = None
        self.name = ""

    def set(self, when: float, name: str) -> None:
        """`when` is in the loop's time."""
        self._deadline, self.name = when, name
        if self._handle is None or when < self._at:
            self._arm()

    def cancel(self) -> None:
        """For good."""
        self._expired = _nothing  # whoever waits holds this timer: neither should keep the other
        if self._handle is not None:
            self._handle.cancel()

    def _arm(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
        now = self._loop.time()
        # Not below a millisecond, the resolution of uvloop's clock; not infinite, which it cannot count.
        delay = min(max(self._deadline - now, 0.001), _LONGEST)
        self._at = now + delay
        self._handle = self._loop.call_at(self._at, self._tick)

    def _tick(self) -> None:
        self._handle = None
        if self._loop.time() < self._deadline:
            self._arm()
        else:
            self._expired()


def _nothing() -> None: ...
