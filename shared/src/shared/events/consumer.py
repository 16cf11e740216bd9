"""Reads a stream as a member of a consumer group and hands each event to its handler."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

from prometheus_client import Counter, Gauge
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from shared.events.dead_letters import DeadLetters
from shared.events.event import Event, NotAnEvent, decode
from shared.exceptions import DatabaseUnavailable
from shared.logging import get_logger

Handler = Callable[[Event], Awaitable[None]]
Entry = tuple[bytes, Mapping[bytes, bytes]]

BATCH: Final = 64
BLOCK: Final = 200  # milliseconds to wait for new entries; shorter than the client's own timeout
ATTEMPTS: Final = 5  # then it becomes a dead letter
DELIVERIES: Final = 10  # of an event that kills the process which handles it
ABANDONED: Final = 15_000  # milliseconds after which an unfinished entry is another consumer's
OUTAGE_PAUSE: Final = 0.5  # seconds
LOOK: Final = 5.0  # seconds between two looks at lag and abandoned entries

HANDLED = Counter("events_handled_total", "Events handled, by outcome.", ["stream", "kind", "outcome"])
LAG = Gauge("events_lag", "Entries of the stream that the group has not read.", ["stream"])
PENDING = Gauge("events_pending", "Entries read and not yet finished.", ["stream"])
log = get_logger()


class Consumer:
    """One member of the group. Handlers must be idempotent: an event may come again after a crash.

    An event whose handler fails is tried again in place, so later ones wait; after ATTEMPTS it becomes a dead
    letter. While Postgres or Redis is away nothing is counted and nothing given up.
    """

    def __init__(
        self,
        redis: Redis,
        stream: str,
        group: str,
        name: str,
        handlers: Mapping[str, Handler],
        *,
        first_pause: float = 0.1,
        abandoned: int = ABANDONED,
    ) -> None:
        self._redis = redis
        self._stream = stream
        self._group = group
        self._name = name
        self._handlers = handlers
        self._dead = DeadLetters(redis, group)
        self._first_pause = first_pause
        self._abandoned = abandoned
        self._ready = self._stopping = False
        self._looked_at = float("-inf")

    def stop(self) -> None:
        """`run` returns when the event in hand is finished."""
        self._stopping = True

    async def run(self) -> None:
        """Until `stop` is called."""
        away = False
        while not self._stopping:
            try:
                await self.step()
                away = False
            except (RedisError, OSError) as error:
                self._ready = False
                if not away:
                    log.warning("events_unavailable", stream=self._stream, reason=repr(error))
                away = True
                await asyncio.sleep(OUTAGE_PAUSE)

    async def step(self) -> None:
        """Handles what is there. Raises redis' errors."""
        if not self._ready:
            await self._join()
        if time.monotonic() >= self._looked_at + LOOK:
            await self._take_over()
            await self._look()
            self._looked_at = time.monotonic()
        answer: Any = await self._redis.xreadgroup(
            self._group, self._name, {self._stream: ">"}, count=BATCH, block=BLOCK
        )
        await self._handle_all(_entries(answer))

    async def _join(self) -> None:
        """Begins at the first entry. What this consumer had read before a restart comes again."""
        try:
            await self._redis.xgroup_create(self._stream, self._group, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        answer: Any = await self._redis.xreadgroup(self._group, self._name, {self._stream: "0"})
        self._ready = True
        await self._handle_all(_entries(answer))

    async def _take_over(self) -> None:
        """Entries that a consumer left unfinished, because it was killed."""
        pending: Any = await self._redis.xpending_range(
            self._stream, self._group, min="-", max="+", count=BATCH, idle=self._abandoned
        )
        for entry in pending:
            claimed: Any = await self._redis.xclaim(
                self._stream, self._group, self._name, self._abandoned, [entry["message_id"]]
            )
            if entry["times_delivered"] >= DELIVERIES:
                for entry_id, fields in claimed:
                    await self._give_up(entry_id, fields, "delivered too often")
            else:
                await self._handle_all(claimed)

    async def _look(self) -> None:
        groups: Any = await self._redis.xinfo_groups(self._stream)
        for group in groups:
            if group["name"] in {self._group, self._group.encode()}:
                LAG.labels(self._stream).set(group.get("lag") or 0)
                PENDING.labels(self._stream).set(group["pending"])

    async def _handle_all(self, entries: Iterable[Entry]) -> None:
        for entry_id, fields in entries:
            if self._stopping:
                return  # they come again after the restart
            await self._handle(entry_id, fields)

    async def _handle(self, entry_id: bytes, fields: Mapping[bytes, bytes]) -> None:
        try:
            event = decode(fields or {})
        except NotAnEvent as error:
            await self._give_up(entry_id, fields or {}, str(error))
            return
        handler = self._handlers.get(event.kind)
        if handler is None:
            await self._finish(entry_id, event.kind, "ignored")
            return
        if reason := await self._attempt(handler, event):
            await self._give_up(entry_id, fields, reason, event.kind)
        else:
            await self._finish(entry_id, event.kind, "handled")

    async def _attempt(self, handler: Handler, event: Event) -> str:
        """Empty, or why it failed each time."""
        reason, failures = "", 0
        while failures < ATTEMPTS:
            try:
                await handler(event)
            except DatabaseUnavailable:
                await asyncio.sleep(OUTAGE_PAUSE)
            except Exception as error:  # noqa: BLE001 - whatever it is, it becomes a dead letter in the end
                failures += 1
                reason = repr(error)[:500]
                log.warning(
                    "event_failed", event_id=event.id, kind=event.kind, reason=reason, attempt=failures
                )
                await asyncio.sleep(self._first_pause * 2**failures)
            else:
                return ""
        return reason

    async def _finish(self, entry_id: bytes, kind: str, outcome: str) -> None:
        await self._redis.xack(self._stream, self._group, entry_id)
        HANDLED.labels(self._stream, kind, outcome).inc()

    async def _give_up(
        self, entry_id: bytes, fields: Mapping[bytes, bytes], reason: str, kind: str = "unreadable"
    ) -> None:
        log.error("event_is_dead_letter", stream=self._stream, entry_id=entry_id.decode(), reason=reason)
        await self._dead.add(self._stream, entry_id, fields, reason)
        await self._finish(entry_id, kind, "dead")


def _entries(answer: Any) -> list[Entry]:
    """redis gives pairs or a mapping, by the protocol spoken."""
    streams = answer.items() if isinstance(answer, Mapping) else answer or []
    found: list[Entry] = []
    for _, entries in streams:
        for entry in entries:
            found.extend(
                entry
                if isinstance(entry, list) and entry and isinstance(entry[0], (list, tuple))
                else [entry]
            )
    return found
