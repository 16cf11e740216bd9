"""Which sessions have ended before their tokens did: pushed through Redis, known within a second."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.logging import get_logger

ENDED = "identity:ended"  # a sorted set: session id -> Unix seconds until which its tokens could be used
CHANNEL = "identity:ended"
RECONNECT = 0.25
log = get_logger()


async def publish_end(redis: Redis, session_ids: list[str], lifetime: int) -> None:
    """Tell all services that these sessions are over; `lifetime` is an access token's, in seconds.

    Raises redis' errors: a session counts as ended only when this could be said.
    """
    if not session_ids:
        return
    now = time.time()
    async with redis.pipeline(transaction=True) as pipe:
        pipe.zadd(ENDED, dict.fromkeys(session_ids, now + lifetime))
        pipe.zremrangebyscore(ENDED, "-inf", now)
        for session_id in session_ids:
            pipe.publish(CHANNEL, f"{now + lifetime:.0f} {session_id}")
        await pipe.execute()


class Revocations:
    """The ended sessions, kept up to date by one listening connection.

    While Redis is gone the last known ones stay in force and no new one can be ended; after it is back the
    whole list is read again.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._ended: dict[str, float] = {}

    def __contains__(self, session_id: str) -> bool:
        return session_id in self._ended

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator["Revocations"]:
        """Listen for as long as the block runs."""
        first = asyncio.Event()
        task = asyncio.create_task(self._listen(first), name="revocations")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(
                first.wait(), 1.0
            )  # start with the list where Redis answers, without where not
        try:
            yield self
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _listen(self, first: asyncio.Event) -> None:
        while True:
            try:
                await self._follow(first)
            except (RedisError, OSError) as error:
                log.warning("revocations_lost", reason=repr(error))
            await asyncio.sleep(RECONNECT)

    async def _follow(self, first: asyncio.Event) -> None:
        async with self._redis.pubsub() as pubsub:
            await pubsub.subscribe(CHANNEL)  # before the list is read, so that nothing falls between
            listed = await self._redis.zrangebyscore(ENDED, time.time(), "+inf", withscores=True)
            self._ended.update((str(entry[0]), float(entry[1])) for entry in listed)
            self._purge()
            first.set()
            async for message in pubsub.listen():
                if message["type"] == "message":
                    until, _, session_id = message["data"].partition(" ")
                    self._ended[session_id] = float(until)
                    self._purge()

    def _purge(self) -> None:
        now = time.time()
        self._ended = {session_id: until for session_id, until in self._ended.items() if until > now}
