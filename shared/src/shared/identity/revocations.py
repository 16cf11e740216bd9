"""Which sessions have ended before their tokens did: pushed through Redis, known within a second."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from shared.health import Check, CheckFailed
from shared.identity.ended_sessions import CHANNEL, ENDED, publish_end, read, text
from shared.identity.exceptions import RevocationsUnknown
from shared.logging import described, get_logger
from shared.redis import follow

__all__ = ["CHANNEL", "ENDED", "Revocations", "publish_end"]

RECONNECT = 0.25
SILENCE = 5.0  # seconds without a message until a PING; without an answer the connection counts as lost
START = 1.0  # seconds for which a start waits for the list
KEPT = 3600.0  # seconds for which an ended session is known at least, whatever the clock says
log = get_logger()


class Revocations:
    """The ended sessions, kept up to date by one listening connection.

    While Redis is gone the last known ones stay in force; after it is back the whole list is read again.
    Until a complete list has been read once, nobody can say which sessions have ended: every question raises.
    A clock may be set forward and back again, so the time alone makes none forgotten.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._ended: dict[str, tuple[float, float]] = {}  # until when: by the clock, and by time that passes
        self._purged_at = 0.0
        self._known = asyncio.Event()
        self._listening = False

    def __contains__(self, session_id: str) -> bool:
        """Raises RevocationsUnknown until a complete list has been read."""
        if not self._known.is_set():
            raise RevocationsUnknown
        return session_id in self._ended

    @property
    def check(self) -> Check:
        """Not ready until the list was read. A connection lost later is shown, but does not count."""
        return Check("revocations", self._probe)

    async def _probe(self) -> dict[str, bool]:
        if not self._known.is_set():
            raise CheckFailed("the list of ended sessions was not read yet")
        return {"listening": self._listening}

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator["Revocations"]:
        """Listen for as long as the block runs."""
        task = asyncio.create_task(self._listen(), name="revocations")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START):
                await self._known.wait()
        try:
            yield self
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _listen(self) -> None:
        while True:
            try:
                await self._follow()
            except (RedisError, OSError) as error:  # OSError includes TimeoutError
                log.warning("revocations_lost", reason=described(error))
            except Exception:  # the listener must survive everything: without it no revocation arrives
                log.exception("revocations_listener_failed")
            finally:
                self._listening = False
            await asyncio.sleep(RECONNECT)

    async def _follow(self) -> None:
        async with self._redis.pubsub() as pubsub:
            async with asyncio.timeout(SILENCE):
                await _subscribe(pubsub)
                await self._read()
            await follow(pubsub, SILENCE, self._hear)

    async def _read(self) -> None:
        """Read the list until it is complete: after a loss, the service that ends sessions restores it."""
        waiting = False
        while True:
            listed, complete = await read(self._redis)
            for session_id, until in listed.items():
                self._keep(session_id, until)
            if complete:
                break
            if not waiting:
                waiting = True
                log.warning("revocations_incomplete")
            await asyncio.sleep(RECONNECT)
        self._purge()
        self._listening = True
        self._known.set()

    def _hear(self, message: dict[str, Any] | None) -> None:
        if message is not None:
            self._note(message)
        self._purge()

    def _note(self, message: dict[str, Any]) -> None:
        if message["type"] == "subscribe":  # the connection was replaced; messages in between are lost
            raise RedisConnectionError("subscribed anew")
        if message["type"] != "message":
            return
        until, _, session_id = text(message["data"]).partition(" ")
        try:
            self._keep(session_id, float(until))
        except ValueError:
            log.warning("revocation_not_understood", length=len(message["data"]))

    def _keep(self, session_id: str, until: float) -> None:
        self._ended[session_id] = until, time.monotonic() + KEPT

    def _purge(self) -> None:
        now, passed = time.time(), time.monotonic()
        if passed < self._purged_at + SILENCE:  # each purge looks at all of them
            return
        self._purged_at = passed
        self._ended = {
            name: (until, kept)
            for name, (until, kept) in self._ended.items()
            if max(until - now, kept - passed) > 0
        }


async def _subscribe(pubsub: PubSub) -> None:
    """Returns when Redis has confirmed the subscription."""
    await pubsub.subscribe(CHANNEL)
    while (message := await pubsub.get_message(timeout=SILENCE)) is None or message["type"] != "subscribe":
        pass
