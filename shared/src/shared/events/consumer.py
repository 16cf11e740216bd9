"""Reads a stream as a member of a consumer group and hands each event to its handler."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Final

from prometheus_client import Counter, Gauge
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisGone
from redis.exceptions import TimeoutError as RedisTimeout

from shared.events.dead_letters import DeadLetters
from shared.events.event import NotAnEvent, decode
from shared.events.group import Entry, Membership
from shared.events.handlers import Handlers
from shared.events.newest import Newest
from shared.events.progress import Progress
from shared.exceptions import DatabaseUnavailable
from shared.health import Check
from shared.logging import described, get_logger

ATTEMPTS: Final = 5  # then it becomes a dead letter
ABANDONED: Final = 15_000  # milliseconds after which an unfinished entry is another consumer's
OUTAGE_PAUSE: Final = 0.5  # seconds
LOOK: Final = 5.0  # seconds between two looks at lag and abandoned entries
RECONCILE: Final = 60.0  # seconds between two looks at the newest events, in case one was lost

HANDLED = Counter("events_handled_total", "Events handled, by outcome.", ["stream", "kind", "outcome"])
DEAD = Gauge("events_dead_letters", "Events put aside, which wait for a replay.", ["stream"])
log = get_logger()


class Consumer:
    """One member of the group. Handlers must be idempotent: an event may come again, and out of order.

    An event whose handler fails is tried again in place, so later ones wait; after ATTEMPTS it becomes a dead
    letter. While Postgres or Redis is away nothing is counted and nothing given up.

    `newest` is the hash in which the sender keeps its newest events, if it has one (`shared.events.newest`):
    they are handled when the consumer joins, which is also after each outage, and once a minute.
    """

    def __init__(
        self,
        redis: Redis,
        stream: str,
        group: str,
        name: str,
        handlers: Handlers,
        *,
        first_pause: float = 0.1,
        abandoned: int = ABANDONED,
        newest: str | None = None,
    ) -> None:
        self._stream = stream
        self._membership = Membership(redis, stream, group, name, abandoned)
        self._handlers = handlers
        self._newest = Newest(redis, newest, handlers) if newest else None
        self._dead = DeadLetters(redis, group)
        self._first_pause = first_pause
        self._ready = self._stopping = False
        self._looked_at = self._reconciled_at = float("-inf")
        self.progress = Progress(f"consumer of {stream}")

    @property
    def checks(self) -> list[Check]:
        return [self.progress.check]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Handles events for as long as the block runs; the one in hand is finished."""
        task = asyncio.create_task(self.run(), name=f"consumer {self._stream}")
        try:
            yield
        finally:
            self.stop()
            await task

    def stop(self) -> None:
        """`run` returns when the event in hand is finished."""
        self._stopping = True

    async def run(self) -> None:
        """Until `stop` is called, whatever fails."""
        away = False
        while not self._stopping:
            try:
                await self.step()
                away = False
                self.progress.made()
            except Exception as error:  # noqa: BLE001 - Redis is away, or dead letters are full: it goes on after that
                self._ready = False
                if not away:
                    log.warning("events_unavailable", stream=self._stream, reason=described(error))
                away = True
                await asyncio.sleep(OUTAGE_PAUSE)

    async def step(self) -> None:
        """Handles what is there. Raises redis' errors and DeadLettersFull."""
        if not self._ready:
            await self._join()
        if time.monotonic() >= self._looked_at + LOOK:
            await self._take_over()
            await self._look()
            self._looked_at = time.monotonic()
        if self._newest is not None and time.monotonic() >= self._reconciled_at + RECONCILE:
            await self._newest.hear()
            self._reconciled_at = time.monotonic()
        await self._handle_all(await self._membership.new())

    async def _join(self) -> None:
        unfinished = await self._membership.join()
        self._ready = True
        self._reconciled_at = float("-inf")
        await self._handle_all(unfinished)

    async def _take_over(self) -> None:
        async for claimed, deadly in self._membership.abandoned():
            if not deadly:
                await self._handle_all(claimed)
                continue
            for entry_id, fields in claimed:
                await self._give_up(entry_id, fields, "delivered too often")

    async def _look(self) -> None:
        await self._membership.look()
        DEAD.labels(self._stream).set(await self._dead.number())

    async def _handle_all(self, entries: Iterable[Entry]) -> None:
        for entry_id, fields in entries:
            if self._stopping:
                return  # they come again after the restart
            await self._handle(entry_id, fields or {})
            self.progress.made()

    async def _handle(self, entry_id: bytes, fields: Mapping[bytes, bytes]) -> None:
        kind = "unreadable"
        try:
            event = decode(fields)
            kind = event.kind if event.kind in self._handlers.kinds else "other"
            handle = self._handlers.of(event)
        except NotAnEvent as error:
            await self._give_up(entry_id, fields, str(error), kind)
            return
        if handle is None:
            await self._finish(entry_id, kind, "ignored")
        elif reason := await self._attempt(handle, event.id, kind):
            await self._give_up(entry_id, fields, reason, kind)
        else:
            await self._finish(entry_id, kind, "handled")

    async def _attempt(self, handle: Callable[[], Awaitable[None]], event_id: str, kind: str) -> str:
        """Empty, or why it failed each time."""
        reason, failures = "", 0
        while failures < ATTEMPTS:
            try:
                await handle()
            except (DatabaseUnavailable, RedisGone, RedisTimeout):
                if self._stopping:
                    raise  # it stays unfinished
                await asyncio.sleep(OUTAGE_PAUSE)
            except Exception as error:  # noqa: BLE001 - whatever it is, it becomes a dead letter in the end
                failures += 1
                reason = described(error)[:500]
                log.warning("event_failed", event_id=event_id, kind=kind, reason=reason, attempt=failures)
                await asyncio.sleep(self._first_pause * 2**failures)
            else:
                return ""
        return reason

    async def _finish(self, entry_id: bytes, kind: str, outcome: str) -> None:
        await self._membership.finish(entry_id)
        HANDLED.labels(self._stream, kind, outcome).inc()

    async def _give_up(
        self, entry_id: bytes, fields: Mapping[bytes, bytes], reason: str, kind: str = "unreadable"
    ) -> None:
        await self._dead.put_aside(self._stream, entry_id, fields, reason)
        HANDLED.labels(self._stream, kind, "dead").inc()
        log.error("event_is_dead_letter", stream=self._stream, entry_id=entry_id.decode(), reason=reason)
