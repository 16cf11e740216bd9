"""Sends what waits in the outbox to a Redis stream."""

import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any, Final

from prometheus_client import Counter, Gauge
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from shared.background import repeated
from shared.database import Database
from shared.events.event import Event, encode
from shared.events.outbox import OutboxRepository
from shared.logging import get_logger

PAUSE: Final = 0.5  # seconds between two looks
BATCH: Final = 200
LONGEST: Final = 100_000  # entries; a stream is trimmed to about that
KEEP: Final = timedelta(days=7)  # sent events stay in the outbox for that long
CLEAN: Final = 300.0  # seconds between two deletions of what is older
SEQUENCE_BITS: Final = 20  # a stream id is milliseconds and a number within that millisecond

UNSENT = Gauge("outbox_unsent_events", "Events that wait to be sent.", multiprocess_mode="livemostrecent")
OLDEST = Gauge(
    "outbox_oldest_unsent_seconds", "Age of the oldest unsent event.", multiprocess_mode="livemostrecent"
)
SENT = Counter("outbox_sent_events_total", "Events sent, repetitions included.", ["kind"])
log = get_logger()


class Relay:
    """Every worker runs one; a lock in Postgres lets one at a time send.

    An event is marked as sent after Redis has taken it, so a crash in between sends it twice. If the stream
    has lost its end (FLUSHALL, an old copy), everything that the outbox still keeps is sent again. `redis` is
    a `stream_client`: an answer contains entries of the stream, which may be anything.
    """

    def __init__(self, database: Database, redis: Redis, stream: str) -> None:
        self._database = database
        self._redis = redis
        self._stream = stream
        self._cleaned_at = float("-inf")

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Relay"]:
        async with repeated(self.send, f"relay {self._stream}", pause=PAUSE):
            yield self

    async def send(self) -> None:
        """Sends all that waits. Raises redis' errors and DatabaseUnavailable."""
        while await self._send_batch() == BATCH:
            pass
        if time.monotonic() >= self._cleaned_at + CLEAN:
            async with self._database.transaction() as connection:
                await OutboxRepository(connection).forget(KEEP)
            self._cleaned_at = time.monotonic()

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
            reached, positions = await self._add(events)
            if events:
                sequences = [event.sequence for event in events]
                await outbox.mark_sent(dict(zip(sequences, positions, strict=True)))
            if reached < last:
                again = await outbox.send_again(before=min(positions, default=last + 1))
                log.warning("stream_lost", stream=self._stream, sent_again=again)
        for event in events:
            SENT.labels(event.kind).inc()
        return len(events)

    async def _add(self, events: Sequence[Event]) -> tuple[int, list[int]]:
        """Where the stream had ended, and where the events stand now: asked and added in one step."""
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.xinfo_stream(self._stream)
        for event in events:
            pipeline.xadd(self._stream, encode(event), maxlen=LONGEST, approximate=True)  # type: ignore[arg-type]  # redis' dict is invariant
        answers: list[Any] = await pipeline.execute(raise_on_error=False)
        for answer in answers[1:]:
            if isinstance(answer, Exception):
                raise answer
        if isinstance(answers[0], ResponseError):  # there is no such stream
            reached = 0
        elif isinstance(answers[0], Exception):
            raise answers[0]
        else:
            reached = position(_field(answers[0], "last-generated-id"))
        return reached, [position(answer) for answer in answers[1:]]


def _field(info: Any, name: str) -> bytes:
    """redis names the fields of XINFO in text or in bytes, by the protocol spoken."""
    found: bytes = info[name] if name in info else info[name.encode()]
    return found


def position(stream_id: str | bytes) -> int:
    """A stream id as one number, in the same order."""
    text = stream_id.decode() if isinstance(stream_id, bytes) else stream_id
    milliseconds, _, number = text.partition("-")
    return (int(milliseconds) << SEQUENCE_BITS) + int(number)
