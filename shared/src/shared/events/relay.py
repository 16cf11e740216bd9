"""Sends what waits in the outbox to a Redis stream."""

import contextlib
import time
from collections.abc import AsyncIterator, Collection, Sequence
from datetime import timedelta
from typing import Final

from prometheus_client import Counter, Gauge
from redis.asyncio import Redis

from shared.background import repeated
from shared.database import Database
from shared.events.event import Event
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

UNSENT = Gauge("outbox_unsent_events", "Events that wait to be sent; 10,000 at the most are counted.")
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
    a consumer has not finished, and seven days of the rest. Nothing is added before all of it waits: the end
    of the stream would show the loss no more, and a crash in between would hide it. If the stream is full of
    events that a consumer has not finished, later ones wait in Postgres.
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
        self._full = self._lost = False
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
        while await self._has_room() and await self._send_batch():
            self.progress.made()

    async def clean(self, age: timedelta = KEEP) -> None:
        """Deletes from the outbox what every consumer has finished and is older than `age`."""
        finished = await self._stream.finished()
        gone = 1
        while gone:
            async with self._database.transaction() as connection:
                gone = await OutboxRepository(connection).forget(age, finished)
            self.progress.made()

    async def _has_room(self) -> bool:
        room = await self._stream.has_room()
        if not room and not self._full:
            log.error("stream_is_full", stream=self._stream.name)
        self._full = not room
        return room

    async def _send_batch(self) -> bool:
        """True if more may wait."""
        async with self._database.transaction() as connection:
            outbox = OutboxRepository(connection)
            if not await outbox.lock():
                return False
            number, age = await outbox.backlog()
            UNSENT.set(number)
            OLDEST.set(age)
            last = await outbox.last_position()
            lost = self._lost or await self._stream.end() < last
            if lost:  # the newest come last, so that it shows until all of them wait
                again = await outbox.send_again()
            else:
                events = await outbox.unsent(BATCH) if number else []
                await self._add(events, outbox, last)
        if lost:
            self._lost = self._lost and again > 0
            log.warning("stream_lost", stream=self._stream.name, sent_again=again)
            return True
        for event in events:
            SENT.labels(event.kind).inc()
        return self._lost or len(events) == BATCH

    async def _add(self, events: Sequence[Event], outbox: OutboxRepository, last: int) -> None:
        if not events:
            return
        reached, positions = await self._stream.add(events)
        self._lost = reached < last  # since it was asked for its end
        sequences = [event.sequence for event in events]
        await outbox.mark_sent(dict(zip(sequences, positions, strict=True)))
