"""Sends what waits in the outbox to a Redis stream."""

import contextlib
import time
from collections.abc import AsyncIterator, Collection
from datetime import timedelta
from typing import Final

from prometheus_client import Counter, Gauge
from redis.asyncio import Redis

from shared.background import repeated
from shared.database import Database
from shared.events.outbox import OutboxRepository
from shared.events.progress import Progress
from shared.events.stream import LONGEST, Stream
from shared.health import Check
from shared.logging import get_logger

PAUSE: Final = 0.5  # seconds between two looks
BATCH: Final = 200
KEEP: Final = timedelta(days=7)  # sent and finished events stay in the outbox for that long
LOOK: Final = 5.0  # seconds between two looks at the consumers
CLEAN: Final = 300.0  # seconds between two deletions of what is older

UNSENT = Gauge("outbox_unsent_events", "Events that wait to be sent.")
OLDEST = Gauge("outbox_oldest_unsent_seconds", "Age of the oldest unsent event.")
UNFINISHED = Gauge(
    "outbox_unfinished_events", "Events sent that the consumer has not finished.", ["consumer"]
)
SENT = Counter("outbox_sent_events_total", "Events sent, repetitions included.", ["kind"])
log = get_logger()


class Relay:
    """A lock in Postgres lets one relay at a time send.

    An event is marked as sent after Redis has taken it, so a crash in between sends it twice. If the stream
    has lost its end (FLUSHALL, an old copy), everything that the outbox still keeps is sent again: all that
    a consumer has not finished, and seven days of the rest. If the stream is full of events that a consumer
    has not finished, later ones wait in Postgres.
    """

    def __init__(
        self,
        database: Database,
        redis: Redis,
        stream: str,
        consumers: Collection[str] = (),
        *,
        longest: int = LONGEST,
    ) -> None:
        self._database = database
        self._stream = Stream(redis, stream, consumers, longest)
        self._looked_at = self._cleaned_at = float("-inf")
        self._full = False
        self.progress = Progress("relay")

    @property
    def checks(self) -> list[Check]:
        return [self.progress.check]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Sends for as long as the block runs."""
        async with repeated(self._step, f"relay {self._stream.name}", pause=PAUSE):
            yield

    async def _step(self) -> None:
        await self.send()
        if time.monotonic() >= self._looked_at + LOOK:
            for consumer, number in (await self._stream.unfinished()).items():
                UNFINISHED.labels(consumer).set(number)
            self._looked_at = time.monotonic()
        if time.monotonic() >= self._cleaned_at + CLEAN:
            await self.clean()
            self._cleaned_at = time.monotonic()
        self.progress.made()

    async def send(self) -> None:
        """Sends all that waits and fits. Raises redis' errors and DatabaseUnavailable."""
        while await self._has_room() and await self._send_batch() == BATCH:
            self.progress.made()

    async def clean(self, age: timedelta = KEEP) -> None:
        """Deletes from the outbox what every consumer has finished and is older than `age`."""
        finished = await self._stream.finished()
        async with self._database.transaction() as connection:
            await OutboxRepository(connection).forget(age, finished)

    async def _has_room(self) -> bool:
        room = await self._stream.has_room()
        if not room and not self._full:
            log.error("stream_is_full", stream=self._stream.name)
        self._full = not room
        return room

    async def _send_batch(self) -> int:
        async with self._database.transaction() as connection:
            outbox = OutboxRepository(connection)
            if not await outbox.lock():
                return 0
            number, age = await outbox.backlog()
            UNSENT.set(number)
            OLDEST.set(age)
            events = await outbox.unsent(BATCH) if number else []
            last = await outbox.last_position()
            reached, positions = await self._stream.add(events)
            if reached < last:
                log.warning("stream_lost", stream=self._stream.name, sent_again=await outbox.send_again())
            if events:
                sequences = [event.sequence for event in events]
                await outbox.mark_sent(dict(zip(sequences, positions, strict=True)))
        for event in events:
            SENT.labels(event.kind).inc()
        return len(events)
