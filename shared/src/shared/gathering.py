"""What is counted and logged for each request, gathered by a worker and written together."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator

DELAY = 0.2  # seconds; what a worker that is killed can lose


class Gathering:
    """Calls each registered `flush` at most `DELAY` seconds after something was gathered.

    Until it is started, and after it has ended, at once: in tests, in commands, under another server.
    """

    def __init__(self) -> None:
        self._flushes: list[Callable[[], None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def started(self) -> bool:
        return self._loop is not None

    def register(self, flush: Callable[[], None]) -> None:
        self._flushes.append(flush)

    @contextlib.contextmanager
    def with_flush(self, flush: Callable[[], None]) -> Iterator[None]:
        """`flush` is called too, for as long as the block runs."""
        self._flushes.append(flush)
        try:
            yield
        finally:
            self._flushes.remove(flush)

    def touch(self) -> None:
        """Something was gathered."""
        if self._timer is None:
            if self._loop is None:
                self.flush()
            else:
                self._timer = self._loop.call_later(DELAY, self.flush)

    def flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for flush in self._flushes:
            flush()

    @contextlib.contextmanager
    def on(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """Gathers for as long as the block runs; nothing is left at its end."""
        self._loop = loop
        try:
            yield
        finally:
            self._loop = None
            self.flush()


GATHERING = Gathering()
