"""A request's place in the queue for a connection."""

import asyncio
from collections.abc import Callable

from gateway.wire.connection import Connection
from gateway.wire.exceptions import UpstreamUnreachable

Ready = Callable[[Connection | UpstreamUnreachable], None]


class Ticket:
    """`ready` is called once, unless the ticket is cancelled before. `by` is in the loop's time."""

    __slots__ = ("by", "cancelled", "ready", "task", "timer")

    def __init__(self, ready: Ready, by: float) -> None:
        self.ready = ready
        self.by = by
        self.cancelled = False
        self.timer: asyncio.TimerHandle | None = None
        self.task: asyncio.Task[Connection] | None = None

    def give(self, connection: Connection | UpstreamUnreachable) -> None:
        if self.timer is not None:
            self.timer.cancel()
        self.ready(connection)
