"""The connections of one upstream: a bounded number of slots, handed out newest first."""

import asyncio
from collections import deque
from typing import NamedTuple

from gateway.upstream.connection import Connection
from gateway.upstream.exceptions import UpstreamUnreachable


class PoolStats(NamedTuple):
    """`open` counts connections and those being opened; `in_flight` those of them that are not idle."""

    open: int
    idle: int
    in_flight: int
    waiting: int


class Slots:
    """Idle connections are a stack, so that those too many stay unused and expire.

    Who finds no free slot waits in a queue. A slot or connection that becomes free is given to the first in
    the queue, never left for a newcomer to take.
    """

    def __init__(self, upstream: str, host: str, port: int, *, limit: int, idle_timeout: float) -> None:
        self._upstream = upstream
        self._address = (host, port)
        self._limit = limit
        self._idle_timeout = idle_timeout
        self._loop = asyncio.get_running_loop()
        self._taken = 0
        self._connections: set[Connection] = set()
        self._idle: list[Connection] = []
        # A waiter is given a connection, or None: a slot to open one in.
        self._waiters: deque[asyncio.Future[Connection | None]] = deque()
        self._closing = False
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def stats(self) -> PoolStats:
        idle = len(self._idle)
        return PoolStats(self._taken, idle, self._taken - idle, len(self._waiters))

    def idle_connection(self) -> Connection | None:
        """The connection used last, if one is idle and still open at the other end."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_stale():
                return connection
            connection.discard()
        return None

    async def checkout(self, by: float, *, fresh: bool = False) -> Connection:
        """A connection for one exchange; waits for a slot and for the connect until `by`, in loop time.

        `fresh` passes idle connections over as long as there is a slot to open another.
        Raises UpstreamUnreachable.
        """
        while True:
            if self._closing:
                raise UpstreamUnreachable(self._upstream, "the pool is closed")
            connection = None if fresh and self._taken < self._limit else self.idle_connection()
            if connection is None:
                if self._taken < self._limit:
                    self._taken += 1
                    self._empty.clear()
                else:
                    connection = await self._wait(by)
                if connection is None:
                    return await self._connect(by)
            if not connection.is_stale():
                return connection
            connection.discard()

    async def _wait(self, by: float) -> Connection | None:
        waiter: asyncio.Future[Connection | None] = self._loop.create_future()
        timer = self._loop.call_at(by, self._expire, waiter)
        self._waiters.append(waiter)
        try:
            return await waiter
        except BaseException:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            elif not waiter.cancelled() and waiter.exception() is None:
                self._pass_on(waiter.result())  # given and cancelled in the same turn of the loop
            raise
        finally:
            timer.cancel()

    def _expire(self, waiter: asyncio.Future[Connection | None]) -> None:
        if not waiter.done():
            waiter.set_exception(UpstreamUnreachable(self._upstream, "no connection became free in time"))

    def _pass_on(self, connection: Connection | None) -> None:
        if connection is None:
            self._free_slot()
        elif not connection.closed:
            self.returned(connection)

    def _first_waiter(self) -> asyncio.Future[Connection | None] | None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                return waiter
        return None

    async def _connect(self, by: float) -> Connection:
        host, port = self._address
        try:
            async with asyncio.timeout_at(by):
                _, connection = await self._loop.create_connection(
                    lambda: Connection(self._upstream, self, self._idle_timeout), host, port
                )
            if connection.closed:
                raise ConnectionResetError("closed as soon as it was open")  # noqa: TRY301 - an OSError too
        except TimeoutError:
            self._free_slot()
            raise UpstreamUnreachable(self._upstream, "connect timeout") from None
        except OSError as error:
            self._free_slot()
            raise UpstreamUnreachable(self._upstream, f"connect failed: {error}") from error
        except BaseException:
            self._free_slot()
            raise
        self._connections.add(connection)
        if self._closing:
            connection.discard()
            raise UpstreamUnreachable(self._upstream, "the pool is closed")
        return connection

    def _free_slot(self) -> None:
        waiter = self._first_waiter()
        if waiter is not None:
            waiter.set_result(None)
            return
        self._taken -= 1
        if not self._taken:
            self._empty.set()

    # What a connection calls.

    def returned(self, connection: Connection) -> None:
        if self._closing:
            connection.discard()
            return
        waiter = self._first_waiter() if self._waiters else None
        if waiter is None:
            self._idle.append(connection)
        else:
            waiter.set_result(connection)

    def lost(self, connection: Connection) -> None:
        if connection not in self._connections:
            return  # it never came out of _connect(), which frees the slot itself
        self._connections.remove(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._free_slot()

    async def close(self, grace: float) -> None:
        """Closes idle connections and refuses new ones; after `grace` seconds closes those in flight."""
        self._closing = True
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(UpstreamUnreachable(self._upstream, "the pool is closed"))
        for connection in list(self._idle):
            connection.discard()
        try:
            async with asyncio.timeout(grace):
                await self._empty.wait()
        except TimeoutError:
            for connection in list(self._connections):
                connection.cut("the pool was closed")
