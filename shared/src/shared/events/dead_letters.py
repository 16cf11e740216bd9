"""Events that could not be handled, kept until somebody replays them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from redis.asyncio import Redis

from shared.events.event import FIELD, Event, NotAnEvent, decode
from shared.events.handlers import ByStream
from shared.logging import described

MOST: Final = 10_000


class DeadLettersFull(Exception):
    """Something is so wrong that going on would lose events: the consumer waits for somebody to look."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """`event` is none where the entry could not be read."""

    id: str
    stream: str
    entry_id: str
    reason: str
    event: Event | None


class DeadLetters:
    """The dead-letter stream of a consumer group, `<group>:dead-letters`."""

    def __init__(self, redis: Redis, group: str, most: int = MOST) -> None:
        self._redis = redis
        self._group = group
        self._stream = f"{group}:dead-letters"
        self._most = most

    async def number(self) -> int:
        return int(await self._redis.xlen(self._stream))

    async def put_aside(
        self, stream: str, entry_id: bytes, fields: Mapping[bytes, bytes], reason: str
    ) -> None:
        """Adds the entry and acknowledges it, in one step. Raises DeadLettersFull."""
        if await self.number() >= self._most:
            raise DeadLettersFull
        letter: dict[Any, Any] = {
            "stream": stream,
            "entry_id": entry_id,
            "reason": reason,
            FIELD: fields.get(FIELD, b""),
        }
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.xadd(self._stream, letter)
        pipeline.xack(stream, self._group, entry_id)
        await pipeline.execute()

    async def all(self) -> list[DeadLetter]:
        entries: Any = await self._redis.xrange(self._stream)
        return [_letter(entry_id, fields) for entry_id, fields in entries]

    async def replay(self, handlers: ByStream) -> tuple[int, list[DeadLetter]]:
        """Handles each again, oldest first. Returns how many succeeded, and those that failed."""
        handled, left = 0, []
        for letter in await self.all():
            if reason := await _failure(handlers, letter):
                left.append(replace(letter, reason=reason))
                continue
            await self._redis.xdel(self._stream, letter.id)
            handled += 1
        return handled, left

    async def discard(self, letter_id: str) -> bool:
        """For one that nobody will ever be able to handle. False if there is no such letter."""
        return bool(await self._redis.xdel(self._stream, letter_id))


async def _failure(handlers: ByStream, letter: DeadLetter) -> str:
    """Handles it. Returns why that failed, or nothing."""
    if letter.event is None:
        return letter.reason
    try:
        known = handlers.get(letter.stream)
        handle = known.of(letter.event) if known else None
        if handle is None:
            return "nobody handles this kind"
        await handle()
    except Exception as error:  # noqa: BLE001 - told to whoever asked for the replay
        return described(error)
    return ""


def _letter(entry_id: bytes, fields: Mapping[bytes, bytes]) -> DeadLetter:
    try:
        event = decode(fields)
    except NotAnEvent:
        event = None
    stream, of, reason = (
        fields.get(name, b"").decode(errors="replace") for name in (b"stream", b"entry_id", b"reason")
    )
    return DeadLetter(entry_id.decode(), stream, of, reason, event)
