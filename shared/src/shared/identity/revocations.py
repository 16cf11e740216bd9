"""Which sessions have ended before their tokens did: pushed through Redis, known within a second."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from shared.logging import get_logger

ENDED = "identity:ended"  # a sorted set: session id -> Unix seconds until which its tokens could be used
CHANNEL = "identity:ended"
RECONNECT = 0.25
SILENCE = 5.0  # seconds without a word until Redis is asked for one; after as many again it counts as lost
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
        self._purged_at = 0.0

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
            except (RedisError, OSError) as error:  # OSError includes TimeoutError
                log.warning("revocations_lost", reason=repr(error))
            await asyncio.sleep(RECONNECT)

    async def _follow(self, first: asyncio.Event) -> None:
        async with self._redis.pubsub() as pubsub:
            async with asyncio.timeout(SILENCE):
                await pubsub.subscribe(CHANNEL)  # before the list is read, so that nothing falls between
                listed = await self._redis.zrangebyscore(ENDED, time.time(), "+inf", withscores=True)
            self._ended.update((str(entry[0]), float(entry[1])) for entry in listed)
            self._purge()
            first.set()
            asked = False
            while True:
                message = await pubsub.get_message(timeout=SILENCE)
                if message is not None:
                    asked = False
                    self._note(message)
                    self._purge()
                elif asked:  # a connection can die without a word; nothing would be heard on it ever again
                    raise RedisConnectionError("no answer to PING")
                else:
                    asked = True
                    self._purge()
                    await pubsub.ping()

    def _note(self, message: dict[str, Any]) -> None:
        if message["type"] != "message":
            return
        until, _, session_id = message["data"].partition(" ")
        try:
            self._ended[session_id] = float(until)
        except ValueError:
            log.warning("revocation_not_understood", length=len(message["data"]))

    def _purge(self) -> None:
        now = time.time()
        if now < self._purged_at + SILENCE:  # each purge looks at all of them
            return
        self._purged_at = now
        self._ended = {session_id: until for session_id, until in self._ended.items() if until > now}
