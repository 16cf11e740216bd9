"""The newest event of each subject, which a sender without an outbox keeps in a Redis hash beside its stream.

A stream can lose events (a Redis that restarts forgets its last second), and nobody sends them again. Then
the hash still says how things are: the sender keeps it right, and the consumer looks at it now and then.
"""

from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisGone
from redis.exceptions import TimeoutError as RedisTimeout

from shared.events.event import FIELD, Event, decode
from shared.events.handlers import Handlers
from shared.exceptions import DatabaseUnavailable
from shared.logging import described, get_logger

log = get_logger()


class Newest:
    """`key` names the hash: a field for each subject, and in it the event as it stands in the stream."""

    def __init__(self, redis: Redis, key: str, handlers: Handlers) -> None:
        self._redis = redis
        self._key = key
        self._handlers = handlers

    async def hear(self) -> None:
        """Hands them to their handlers, most of which know them already.

        Raises redis' errors and DatabaseUnavailable. What fails otherwise is logged: the stream has it too,
        and there it becomes a dead letter.
        """
        values: Any = self._redis.hvals(self._key)
        for value in await values:
            try:
                handle = self._handlers.of(read(value))
                if handle is not None:
                    await handle()
            except (DatabaseUnavailable, RedisGone, RedisTimeout):
                raise
            except Exception as error:  # noqa: BLE001 - one that fails must not keep the others from being heard
                log.warning("newest_event_failed", key=self._key, reason=described(error)[:500])


def read(value: bytes) -> Event:
    """Raises NotAnEvent."""
    return decode({FIELD: value})
