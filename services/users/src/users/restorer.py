"""Restores the list of ended sessions in Redis from Postgres."""

import contextlib
import time
from collections.abc import AsyncIterator
from datetime import timedelta

from redis.asyncio import Redis

from shared.background import repeated
from shared.identity.ended_sessions import is_complete, restore
from shared.logging import get_logger
from users.clock import utc_now
from users.store import Store

LOOK = 1.0  # seconds between two looks at whether Redis still has the list
INTERVAL = 15.0  # seconds after which it is restored in any case
KEEP = timedelta(hours=1)  # a wide margin for clocks that differ
log = get_logger()


class Restorer:
    """Runs in every worker without coordination, because restoring is idempotent."""

    def __init__(self, store: Store, redis: Redis) -> None:
        self._store = store
        self._redis = redis
        self._restored_at = float("-inf")

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Restorer"]:
        async with repeated(self._look, "restore_ended_sessions", pause=LOOK):
            yield self

    async def _look(self) -> None:
        if time.monotonic() >= self._restored_at + INTERVAL or not await is_complete(self._redis):
            await self.restore()

    async def restore(self) -> None:
        """Raises redis' errors and DatabaseUnavailable."""
        now = utc_now()
        async with self._store.transaction() as tx:
            ended = await tx.ended.all(now)
            await tx.ended.forget(now - KEEP)
        missing = await restore(self._redis, ended)
        self._restored_at = time.monotonic()
        if missing:
            log.warning("ended_sessions_restored", number=len(missing))
