"""A consumer's membership in a consumer group: which entries are its own, and how the group is."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from prometheus_client import Gauge
from redis.asyncio import Redis
from redis.exceptions import ResponseError

Entry = tuple[bytes, Mapping[bytes, bytes]]

BATCH: Final = 64
BLOCK: Final = 200  # milliseconds to wait for new entries; shorter than the client's own timeout
DELIVERIES: Final = 10  # of an event that kills the process which handles it
GONE: Final = 3_600_000  # milliseconds after which a silent member without entries is forgotten

LAG = Gauge("events_lag", "Entries of the stream that the group has not read.", ["stream"])
PENDING = Gauge("events_pending", "Entries read and not yet finished.", ["stream"])


class Membership:
    """`abandoned` is milliseconds after which an unfinished entry of another member is anybody's."""

    def __init__(self, redis: Redis, stream: str, group: str, name: str, abandoned: int) -> None:
        self._redis = redis
        self._stream = stream
        self._group = group
        self._name = name
        self._abandoned = abandoned

    async def join(self) -> list[Entry]:
        """Begins at the first entry. Returns what this member had read before a restart and not finished."""
        try:
            await self._redis.xgroup_create(self._stream, self._group, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        return entries(await self._redis.xreadgroup(self._group, self._name, {self._stream: "0"}))

    async def new(self) -> list[Entry]:
        answer: Any = await self._redis.xreadgroup(
            self._group, self._name, {self._stream: ">"}, count=BATCH, block=BLOCK
        )
        return entries(answer)

    async def abandoned(self) -> AsyncIterator[tuple[list[Entry], bool]]:
        """Entries that a killed member left unfinished; true for what kills whoever handles it."""
        pending: Any = await self._redis.xpending_range(
            self._stream, self._group, min="-", max="+", count=BATCH, idle=self._abandoned
        )
        for entry in pending:
            claimed: Any = await self._redis.xclaim(
                self._stream, self._group, self._name, self._abandoned, [entry["message_id"]]
            )
            yield claimed, entry["times_delivered"] >= DELIVERIES

    async def finish(self, entry_id: bytes) -> None:
        await self._redis.xack(self._stream, self._group, entry_id)

    async def look(self) -> None:
        """Measures how far the group is, and forgets members that are gone."""
        groups: Any = await self._redis.xinfo_groups(self._stream)
        for group in groups:
            if group["name"] in {self._group, self._group.encode()}:
                LAG.labels(self._stream).set(group.get("lag") or 0)
                PENDING.labels(self._stream).set(group["pending"])
        members: Any = await self._redis.xinfo_consumers(self._stream, self._group)
        for member in members:
            if member["idle"] > GONE and not member["pending"]:
                await self._redis.xgroup_delconsumer(self._stream, self._group, member["name"])


def entries(answer: Any) -> list[Entry]:
    """redis gives pairs or a mapping, by the protocol spoken."""
    streams = answer.items() if isinstance(answer, Mapping) else answer or []
    found: list[Entry] = []
    for _, each in streams:
        for entry in each:
            found.extend(
                entry
                if isinstance(entry, list) and entry and isinstance(entry[0], (list, tuple))
                else [entry]
            )
    return found
