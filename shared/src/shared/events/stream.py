"""The sender's side of a stream: adds events, and knows what its consumers have finished."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from shared.events.event import Event, encode

LONGEST: Final = 50_000  # entries, about 20 MB
SEQUENCE_BITS: Final = 20  # a stream id is milliseconds and a number within that millisecond


class Stream:
    """`consumers` are the groups that must have finished an entry before it may go.

    `redis` is a `stream_client`: an answer contains entries of the stream, which may be anything.
    """

    def __init__(self, redis: Redis, name: str, consumers: Collection[str], longest: int = LONGEST) -> None:
        self._redis = redis
        self.name = name
        self._consumers = frozenset(consumers)
        self._longest = longest

    async def end(self) -> int:
        """Where the stream ends; 0 if there is none."""
        answer: Any
        try:
            answer = await self._redis.xinfo_stream(self.name)
        except ResponseError as error:
            answer = error
        return _reached(answer)

    async def add(self, events: Sequence[Event]) -> tuple[int, list[int]]:
        """Where the stream had ended, and where the events stand now: asked and added in one step."""
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.xinfo_stream(self.name)
        for event in events:
            pipeline.xadd(self.name, encode(event))  # type: ignore[arg-type]  # redis' dict is invariant
        answers: list[Any] = await pipeline.execute(raise_on_error=False)
        for answer in answers[1:]:
            if isinstance(answer, Exception):
                raise answer
        return _reached(answers[0]), [position(answer) for answer in answers[1:]]

    async def has_room(self) -> bool:
        """False if it is full of entries that a consumer has not finished. Deletes what all have finished."""
        if await self._redis.xlen(self.name) < self._longest:
            return True
        finished = await self.finished()
        if finished is None:  # nobody reads it: the newer half stays, for a first consumer
            await self._redis.xtrim(self.name, maxlen=self._longest // 2, approximate=False)
        else:
            await self._redis.xtrim(self.name, minid=_stream_id(finished + 1), approximate=False)
        return int(await self._redis.xlen(self.name)) < self._longest

    async def finished(self) -> int | None:
        """The position up to which every consumer has finished; none if there are no consumers."""
        groups = await self._groups()
        if self._consumers - groups.keys():
            return 0
        return min([await self._finished_by(name, group) for name, group in groups.items()], default=None)

    async def unfinished(self) -> dict[str, int]:
        """How many entries each consumer still has to finish."""
        groups = await self._groups()
        length = await self._redis.xlen(self.name)
        known = {name: int(group["pending"] + (group.get("lag") or 0)) for name, group in groups.items()}
        return {**dict.fromkeys(self._consumers, int(length)), **known}

    async def _groups(self) -> dict[str, Mapping[str, Any]]:
        try:
            groups: Any = await self._redis.xinfo_groups(self.name)
        except ResponseError as error:
            if _is_missing(error):
                return {}
            raise
        named = [{_text(key): value for key, value in group.items()} for group in groups]
        return {_text(group["name"]): group for group in named}

    async def _finished_by(self, name: str, group: Mapping[str, Any]) -> int:
        if not group["pending"]:
            return position(group["last-delivered-id"])
        pending: Any = await self._redis.xpending(self.name, name)
        return position(pending["min"]) - 1 if pending["min"] else position(group["last-delivered-id"])


def position(stream_id: str | bytes) -> int:
    """A stream id as one number, in the same order."""
    milliseconds, _, number = _text(stream_id).partition("-")
    return (int(milliseconds) << SEQUENCE_BITS) + int(number)


def _stream_id(at: int) -> str:
    return f"{at >> SEQUENCE_BITS}-{at & ((1 << SEQUENCE_BITS) - 1)}"


def _reached(info: Any) -> int:
    """What XINFO STREAM says of the last entry, or the error that it answered with."""
    if isinstance(info, ResponseError) and _is_missing(info):
        return 0
    if isinstance(info, Exception):
        raise info
    named = {_text(key): value for key, value in info.items()}
    return position(named["last-generated-id"])


def _is_missing(error: ResponseError) -> bool:
    return "no such key" in str(error)


def _text(value: str | bytes) -> str:
    """redis gives names in text or in bytes, by the protocol spoken."""
    return value.decode() if isinstance(value, bytes) else value
