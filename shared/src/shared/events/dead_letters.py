"""Events that could not be handled, kept until somebody replays them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis

from shared.events.event import FIELD, Event, NotAnEvent, decode

LONGEST: Final = 10_000


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

    def __init__(self, redis: Redis, group: str) -> None:
        self._redis = redis
        self._stream = f"{group}:dead-letters"

    async def add(self, stream: str, entry_id: bytes, fields: Mapping[bytes, bytes], reason: str) -> None:
        letter: dict[Any, Any] = {
            "stream": stream,
            "entry_id": entry_id,
            "reason": reason,
            FIELD: fields.get(FIELD, b""),
        }
        await self._redis.xadd(self._stream, letter, maxlen=LONGEST, approximate=True)

    async def all(self) -> list[DeadLetter]:
        entries: Any = await self._redis.xrange(self._stream)
        return [_letter(entry_id, fields) for entry_id, fields in entries]

    async def replay(self, handle: Callable[[Event], Awaitable[None]]) -> tuple[int, list[DeadLetter]]:
        """Handles each again, oldest first. Returns how many succeeded, and those that failed."""
        handled, left = 0, []
        for letter in await self.all():
            if letter.event is None:
                left.append(letter)
                continue
            try:
                await handle(letter.event)
            except Exception as error:  # noqa: BLE001 - told to whoever asked for the replay
                left.append(DeadLetter(letter.id, letter.stream, letter.entry_id, repr(error), letter.event))
                continue
            await self._redis.xdel(self._stream, letter.id)
            handled += 1
        return handled, left


def _letter(entry_id: bytes, fields: Mapping[bytes, bytes]) -> DeadLetter:
    try:
        event = decode(fields)
    except NotAnEvent:
        event = None
    stream, of, reason = (
        fields.get(name, b"").decode(errors="replace") for name in (b"stream", b"entry_id", b"reason")
    )
    return DeadLetter(entry_id.decode(), stream, of, reason, event)
