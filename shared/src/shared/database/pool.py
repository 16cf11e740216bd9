"""The connections of one worker: a bounded number, opened when they are first needed."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import asyncpg

from shared.database.rows import Row
from shared.exceptions import DatabaseUnavailable

# Seconds after a failed attempt to connect for which there is no other. One that is refused takes 0.85 ms
# of the loop's time: without this, requests that need no database wait behind those that do.
PAUSE: Final = 0.1


class Pool:
    """Hands out the connection that was used last. One that was lost while idle is replaced.

    While Postgres is gone, one attempt to connect answers for all who come within `PAUSE`.

    asyncpg's own pool wraps each connection and resets it in one more round trip after each use; see
    docs/decisions/0026.
    """

    def __init__(
        self, connect: Callable[[], Awaitable["asyncpg.Connection[Row]"]], size: int, timeout: float
    ) -> None:
        self._connect = connect
        self._timeout = timeout
        self._free = asyncio.Semaphore(size)
        self._idle: list[asyncpg.Connection[Row]] = []
        self._closed = False
        self._failed_at = float("-inf")

    async def acquire(self) -> "asyncpg.Connection[Row]":
        """Raises DatabaseUnavailable when none gets free in time, or none can be opened."""
        if self._free.locked():
            try:
                async with asyncio.timeout(self._timeout):
                    await self._free.acquire()
            except TimeoutError as error:
                raise DatabaseUnavailable from error
        else:
            await self._free.acquire()  # at once
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        if time.monotonic() < self._failed_at + PAUSE:
            self._free.release()
            raise DatabaseUnavailable
        try:
            return await self._connect()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            self._failed_at = time.monotonic()
            self._free.release()
            raise DatabaseUnavailable from error
        except BaseException:
            self._free.release()
            raise

    def release(self, connection: "asyncpg.Connection[Row]", *, usable: bool) -> None:
        if usable and not self._closed:
            self._idle.append(connection)
        else:
            connection.terminate()
        self._free.release()

    async def close(self) -> None:
        """Connections in use are closed when they come back."""
        self._closed = True
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.close(timeout=self._timeout)
