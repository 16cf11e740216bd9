"""Tells the other services which version of each model is the default.

The decision itself is in the state file, which every worker follows, so every worker also announces it. Redis
keeps the newest event of each model in a hash: the first worker adds the event to both in one step, and the
others find it done. If a worker dies between decision and announcement, or cannot reach Redis, another one or
the next start sees the difference. Consumers look at the hash too, in case the stream has lost an event.
"""

import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import WatchError

from ml_predict.events import STREAM, DefaultChanged
from shared.events.event import FIELD, Event, encode
from shared.events.newest import read
from shared.logging import get_logger

ANNOUNCED: Final = "ml-predict:announced"  # the hash
LOOK_SECONDS: Final = 5.0  # between two looks whether Redis has lost something
LONGEST: Final = 1000  # entries of the stream; each one replaces those before it
Defaults = Mapping[str, str]
log = get_logger()


class Told(NamedTuple):
    version: str
    sequence: int


class Announcer:
    """`defaults` gives the default version of each model that this worker serves."""

    def __init__(
        self,
        redis: Redis,
        defaults: Callable[[], Defaults],
        *,
        main: str,
        stream: str = STREAM,
        announced: str = ANNOUNCED,
    ) -> None:
        self._redis = redis
        self._stream = stream
        self._announced = announced
        self._defaults = defaults
        self._main = main
        self._seen: Defaults = {}
        self._newest: dict[str, Told] = {}  # that this worker knows of, whatever Redis says
        self._looked_at = float("-inf")

    async def follow(self) -> None:
        """Announces what has changed in this worker since the last call, and what Redis does not know.

        A difference to Redis alone is no reason: another worker may have followed a decision earlier.
        Raises redis' errors.
        """
        found = self._defaults()
        wanted = {name for name, version in found.items() if self._seen.get(name) != version}
        if time.monotonic() >= self._looked_at + LOOK_SECONDS:
            told = await self._told(self._redis)
            wanted |= {name for name, version in found.items() if self._is_lost(name, version, told)}
            self._notice(told)
            self._looked_at = time.monotonic()
        for name in sorted(wanted):
            while not await self._announce(name, found[name]):
                pass
        self._seen = found

    def _is_lost(self, name: str, version: str, told: Mapping[str, Told]) -> bool:
        """Redis knows nothing of it, or only what was before. A late worker leaves it to the others."""
        newest, last = self._newest.get(name), told.get(name)
        if newest is None:
            return last is None
        return version == newest.version and (last is None or last.sequence < newest.sequence)

    def _notice(self, told: Mapping[str, Told]) -> None:
        for name, one in told.items():
            if name not in self._newest or one.sequence > self._newest[name].sequence:
                self._newest[name] = one

    async def _announce(self, name: str, version: str) -> bool:
        """Adds the event, unless another worker has. False if another one was faster: try again.

        Raises redis' errors.
        """
        async with self._redis.pipeline(transaction=True) as pipeline:
            await pipeline.watch(self._announced)
            told = await self._told(pipeline)
            lost, last = self._is_lost(name, version, told), told.get(name)
            if last is not None and last.version == version and not lost:
                self._notice(told)
                return True
            before = last.version if last else None
            fact = DefaultChanged(model=name, default=version, previous=before, main=name == self._main)
            event = _event(fact, _sequence([*told.values(), *self._newest.values()]))
            entry = encode(event)
            pipeline.multi()  # type: ignore[no-untyped-call]  # redis' own
            pipeline.hset(self._announced, name, entry[FIELD])
            pipeline.xadd(self._stream, entry, maxlen=LONGEST)  # type: ignore[arg-type]  # redis' dict is invariant
            try:
                await pipeline.execute()
            except WatchError:
                return False
        self._newest[name] = Told(version, event.sequence)
        log.info("default_announced", model=name, version=version)
        return True

    async def _told(self, redis: "Redis | Pipeline") -> dict[str, Told]:
        found: Any = await redis.hgetall(self._announced)
        told = {name.decode(): _read(value) for name, value in found.items()}
        return {name: one for name, one in told.items() if one is not None}


def _read(value: bytes) -> Told | None:
    """None for what nobody can read: it is announced anew."""
    try:
        event = read(value)
        return Told(DefaultChanged.model_validate(event.data).default, event.sequence)
    except ValueError:
        return None


def _sequence(known: Iterable[Told]) -> int:
    """The time, but larger than all before it, even if a clock was set back."""
    return max(time.time_ns() // 1000, *(one.sequence + 1 for one in known), 0)


def _event(fact: DefaultChanged, sequence: int) -> Event:
    return Event(
        id=str(uuid.uuid4()),
        kind=fact.kind,
        version=fact.version,
        sequence=sequence,
        occurred_at=datetime.now(UTC),
        request_id="",
        data=fact.model_dump(mode="json"),
    )
