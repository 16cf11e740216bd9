"""Tells the other services which version of each model is the default.

The decision itself is in the state file, which every worker follows, so every worker also announces it. Redis
keeps what was announced last: the first worker adds the event and that note in one step, and the others find
it done. If a worker dies between decision and announcement, or cannot reach Redis, another one or the next
start sees the difference.
"""

import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import BaseModel
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import WatchError

from ml_predict.events import STREAM, DefaultChanged
from shared.events.event import Event, encode
from shared.logging import get_logger

TOLD: Final = "ml-predict:defaults"  # a hash: what was announced last of each model
LOOK_SECONDS: Final = 5.0  # between two looks whether Redis has lost that
LONGEST: Final = 1000  # entries of the stream; each one replaces those before it
Defaults = Mapping[str, str]
log = get_logger()


class Told(BaseModel):
    version: str
    sequence: int


class Announcer:
    """`defaults` gives the default version of each model that this worker serves."""

    def __init__(self, redis: Redis, defaults: Callable[[], Defaults], *, main: str) -> None:
        self._redis = redis
        self._defaults = defaults
        self._main = main
        self._seen: Defaults = {}
        self._looked_at = float("-inf")

    async def follow(self) -> None:
        """Announces what has changed in this worker since the last call, and what Redis does not know.

        A difference to Redis alone is no reason: another worker may have followed a decision earlier.
        Raises redis' errors.
        """
        found = self._defaults()
        changed = {name for name, version in found.items() if self._seen.get(name) != version}
        if time.monotonic() >= self._looked_at + LOOK_SECONDS:
            changed |= found.keys() - (await self._told(self._redis)).keys()
            self._looked_at = time.monotonic()
        for name in sorted(changed):
            while not await self._announce(name, found[name]):
                pass
        self._seen = found

    async def _announce(self, name: str, version: str) -> bool:
        """Adds the event, unless another worker has. False if another one was faster: try again.

        Raises redis' errors.
        """
        async with self._redis.pipeline(transaction=True) as pipeline:
            await pipeline.watch(TOLD)
            told = await self._told(pipeline)
            last = told.get(name)
            if last is not None and last.version == version:
                return True
            before = last.version if last else None
            fact = DefaultChanged(model=name, default=version, previous=before, main=name == self._main)
            event = _event(fact, _sequence(told))
            note = Told(version=version, sequence=event.sequence).model_dump_json()
            pipeline.multi()  # type: ignore[no-untyped-call]  # redis' own
            pipeline.hset(TOLD, name, note)
            pipeline.xadd(STREAM, encode(event), maxlen=LONGEST)  # type: ignore[arg-type]  # redis' dict is invariant
            try:
                await pipeline.execute()
            except WatchError:
                return False
        log.info("default_announced", model=name, version=version)
        return True

    async def _told(self, redis: "Redis | Pipeline") -> dict[str, Told]:
        found: Any = await redis.hgetall(TOLD)
        return {name.decode(): Told.model_validate_json(value) for name, value in found.items()}


def _sequence(told: Mapping[str, Told]) -> int:
    """The time, but larger than all before it, even if a clock was set back."""
    return max(time.time_ns() // 1000, *(one.sequence + 1 for one in told.values()), 0)


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
