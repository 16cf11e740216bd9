"""The connections to one address: a bounded number, kept open between requests, handed out newest first."""

import asyncio
import ipaddress
import math
import ssl
from collections import OrderedDict
from typing import NamedTuple

from gateway.wire.connecting import connect
from gateway.wire.connection import Connection
from gateway.wire.exceptions import UpstreamUnreachable
from gateway.wire.receiver import Owner
from gateway.wire.ticket import Ready, Ticket

LONGEST_LIFE = 60.0  # seconds


class PoolStats(NamedTuple):
    """`open` counts connections and those being opened; `in_flight` those of them that are not idle."""

    open: int
    idle: int
    in_flight: int
    waiting: int


class Pool(Owner[Connection]):
    """Idle connections are a stack, so that those too many stay unused and expire.

    Requests that find no free slot wait in a queue. A slot or connection that becomes free is given to the
    first in the queue, never left for a newcomer to take. `idle_timeout` should be below the upstream's own
    keep-alive timeout, so that the closing is ours. A name is resolved anew for each connection, and a
    connection to a name ends after `LONGEST_LIFE` seconds: the service may have moved. Made on the running
    loop and used there only.
    """

    def __init__(
        self,
        upstream: str,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        connect_timeout: float = 1.0,
        max_connections: int = 256,
        idle_timeout: float = 30.0,
    ) -> None:
        self._upstream = upstream
        self._address = (host, port)
        self._tls = tls
        self._connect_timeout = connect_timeout
        self._limit = max_connections
        self._idle_timeout = idle_timeout
        self._longest_life = LONGEST_LIFE if _is_name(host) else math.inf
        self._loop = asyncio.get_running_loop()
        self._taken = 0
        self._connections: set[Connection] = set()
        self._idle: list[Connection] = []
        self._waiting: OrderedDict[Ticket, None] = OrderedDict()
        self._closing = self._retired = False
        self.empty = asyncio.Event()
        self.empty.set()

    @property
    def stats(self) -> PoolStats:
        """Connections now: open, idle, in flight, and requests waiting for one."""
        idle = len(self._idle)
        return PoolStats(self._taken, idle, self._taken - idle, len(self._waiting))

    def checkout(self, ready: Ready, total_by: float, *, fresh: bool = False) -> Ticket | None:
        """Calls `ready` with a connection or UpstreamUnreachable: before it returns None, or later.

        Waits for a slot and for the connect together up to `connect_timeout`, and no longer than `total_by`,
        in the loop's time. `fresh` passes idle connections over as long as there is a slot to open another.
        """
        if self._closing:
            ready(UpstreamUnreachable(self._upstream, "the pool is closed"))
            return None
        connection = None if fresh and self._taken < self._limit else self._idle_connection()
        if connection is not None:
            ready(connection)
            return None
        ticket = Ticket(ready, min(self._loop.time() + self._connect_timeout, total_by))
        if self._taken < self._limit:
            self._taken += 1
            self.empty.clear()
            self._connect(ticket)
        else:
            ticket.timer = self._loop.call_at(ticket.by, self._expire, ticket)
            self._waiting[ticket] = None
        return ticket

    def cancel(self, ticket: Ticket) -> None:
        """Nobody waits for the connection any more."""
        ticket.cancelled = True
        self._waiting.pop(ticket, None)
        if ticket.timer is not None:
            ticket.timer.cancel()
        if ticket.task is not None:
            ticket.task.cancel()

    def _idle_connection(self) -> Connection | None:
        """The connection used last, if one is idle and still open at the other end."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_stale():
                return connection
            connection.discard()
        return None

    def _expire(self, ticket: Ticket) -> None:
        del self._waiting[ticket]
        reason = "no connection became free in time"
        ticket.give(UpstreamUnreachable(self._upstream, reason, crowded=True))

    def _next_waiting(self) -> Ticket | None:
        return self._waiting.popitem(last=False)[0] if self._waiting else None

    def _connect(self, ticket: Ticket) -> None:
        """In a slot that is taken already."""
        task = ticket.task = self._loop.create_task(
            connect(self._address, self._tls, self._new_connection, by=ticket.by)
        )
        task.add_done_callback(lambda done: self._opened(ticket, done))

    def _new_connection(self) -> Connection:
        return Connection(self._upstream, self, self._idle_timeout)

    def _opened(self, ticket: Ticket, done: "asyncio.Task[Connection]") -> None:
        ticket.task = None
        if done.cancelled():
            self._free_slot()
            return
        error = done.exception()
        if error is None and self._spoke_first(connection := done.result()):
            error = ConnectionAbortedError("closed or sent something before it was asked")
            connection.discard()
        if error is None:
            self._connections.add(connection)
            if not (self._closing or ticket.cancelled):
                ticket.give(connection)
                return
            connection.discard()
            error = ConnectionAbortedError("the pool is closed")
        else:
            self._free_slot()
        if not ticket.cancelled:
            reason = "connect timeout" if isinstance(error, TimeoutError) else f"connect failed: {error}"
            unreachable = UpstreamUnreachable(self._upstream, reason)
            unreachable.__cause__ = error
            ticket.give(unreachable)

    def _spoke_first(self, connection: Connection) -> bool:
        """Bytes that came before the request would be taken for its answer. TLS has bytes of its own."""
        return connection.closed or (self._tls is None and connection.is_stale())

    def _free_slot(self) -> None:
        ticket = self._next_waiting()
        if ticket is not None:
            if ticket.timer is not None:
                ticket.timer.cancel()
            self._connect(ticket)
            return
        self._taken -= 1
        if not self._taken:
            self.empty.set()

    # What a connection calls.

    def returned(self, connection: Connection) -> None:
        if self._closing or self._loop.time() - connection.opened_at > self._longest_life:
            connection.discard()
            return
        ticket = self._next_waiting() if self._waiting else None
        if ticket is not None:
            ticket.give(connection)
        elif self._retired:
            connection.discard()
        else:
            self._idle.append(connection)

    def lost(self, connection: Connection) -> None:
        if connection not in self._connections:
            return  # it never came out of connect(), and _opened() frees the slot
        self._connections.remove(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._free_slot()

    def retire(self) -> None:
        """Keeps no idle connection from now on. Requests that wait or are repeated still get one."""
        self._retired = True
        for connection in list(self._idle):
            connection.discard()

    def begin_closing(self) -> None:
        """Closes idle connections and refuses new ones. What is in flight goes on."""
        self._closing = True
        while (ticket := self._next_waiting()) is not None:
            ticket.give(UpstreamUnreachable(self._upstream, "the pool is closed"))
        for connection in list(self._idle):
            connection.discard()

    def cut(self) -> None:
        """Closes what is in flight."""
        for connection in list(self._connections):
            connection.cut("the pool was closed")


def _is_name(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return True
    return False
