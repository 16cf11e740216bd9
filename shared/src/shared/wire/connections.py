"""All connections of one worker: how many there may be, how long each may wait, and how they end."""

import asyncio
from typing import Any

from shared.descriptors import SPARE, connection_cap
from shared.settings import WireSettings
from shared.wire.counters import CONNECTIONS


class Connections:
    """One timer checks the deadlines of all connections, because a timer for each request would cost more.

    `now` is the loop's clock as of the last check: deadlines are exact to `interval` seconds.
    """

    def __init__(self, limits: WireSettings | None = None) -> None:
        self.limits = limits = limits or WireSettings()
        self.cap = connection_cap(limits.max_connections)
        self.interval = min(
            1.0,
            limits.head_timeout / 4,
            limits.keep_alive / 4,
            limits.body_timeout / 4,
            limits.answer_timeout / 4,
            (limits.drain_grace or 1) / 4,
        )
        self.now = 0.0
        self.drained_at: float | None = None
        self._open: set[Any] = set()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def draining(self) -> bool:
        return self.drained_at is not None

    @property
    def full(self) -> bool:
        return len(self._open) > self.cap

    @property
    def overfull(self) -> bool:
        return len(self._open) > self.cap + SPARE

    def add(self, connection: Any) -> None:
        self._open.add(connection)
        if self._timer is None:
            self._check_later(asyncio.get_running_loop())

    def discard(self, connection: Any) -> None:
        self._open.discard(connection)

    def drain(self) -> None:
        """From now on every answer closes its connection; idle ones close after the grace."""
        self.now = asyncio.get_running_loop().time()
        self.drained_at = self.now + self.limits.drain_grace

    def _check_later(self, loop: asyncio.AbstractEventLoop) -> None:
        self.now = loop.time()
        self._timer = loop.call_later(self.interval, self._check, loop)

    def _check(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        CONNECTIONS.set(len(self._open))
        self.now = loop.time()
        for connection in list(self._open):
            connection.check_deadlines()
        if self._open:
            self._check_later(loop)
