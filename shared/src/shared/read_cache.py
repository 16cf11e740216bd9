"""Keeps what is read often in this process; changes are told to all processes through Redis.

Needs the extra `redis`.
"""

import asyncio
import contextlib
import random
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, Generic, TypeVar

from prometheus_client import Counter
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.background import repeated
from shared.logging import described, get_logger
from shared.metrics import Counts
from shared.redis import follow

SILENCE: Final = 1.0  # seconds without a message until a PING; as long again without an answer: disconnected
RECONNECT: Final = 0.25
EVERYTHING: Final = "*"  # the key of a change of unknown or many keys
JITTER: Final = 0.2  # of the lifetime, so that what was read together does not expire together
READS: Final = Counter("read_cache_reads_total", "Reads by whether the cache had the answer.", ["outcome"])
_reads: Final = Counts(READS)

Value = TypeVar("Value")
log = get_logger()


class Changes:
    """Tells all caches that listen on `channel`. For a process that changes what others keep."""

    def __init__(self, redis: Redis, channel: str) -> None:
        self._redis = redis
        self.channel = channel

    async def tell(self, key: str = EVERYTHING) -> None:
        """Call it after the change is committed. Without Redis, caches forget once they notice that."""
        try:
            await self._redis.publish(self.channel, key)
        except RedisError as error:
            log.warning("change_not_announced", channel=self.channel, reason=described(error))


class ReadCache(Generic[Value]):
    """At most `size` values, each for at most `seconds`. While it cannot hear of changes it keeps nothing.

    Another process's change is seen as soon as its message arrives, in 2 s at most if the connection dies
    silently, and in `seconds` if the one that changed it could not reach Redis. Whoever must see their own
    change in every process reads past the cache.
    """

    def __init__(self, changes: Changes, subscriber: Redis, *, size: int, seconds: float) -> None:
        self._changes = changes
        self._subscriber = subscriber
        self._size = size
        self._seconds = seconds
        self._kept: OrderedDict[str, tuple[Value, float]] = OrderedDict()
        self._loading: dict[str, asyncio.Task[Value]] = {}
        self._listening = False

    async def read(self, key: str, load: Callable[[], Awaitable[Value]]) -> Value:
        """The kept value, or what `load` returns: one call for all who ask at the same time.

        Raises what `load` raises; that is not kept.
        """
        kept = self._kept.get(key)
        if kept is not None and kept[1] > time.monotonic():
            self._kept.move_to_end(key)
            _reads.add(1, "hit")
            return kept[0]
        if not self._listening or not self._size:
            _reads.add(1, "bypassed")
            return await load()
        _reads.add(1, "miss")
        task = self._loading.get(key)
        if task is None:
            task = self._loading[key] = asyncio.create_task(self._load(key, load))
            task.add_done_callback(_retrieved)
        return await asyncio.shield(task)  # one who gives up does not take the others with them

    async def _load(self, key: str, load: Callable[[], Awaitable[Value]]) -> Value:
        mine = asyncio.current_task()
        try:
            value = await load()
            if self._loading.get(key) is mine:  # else it was changed meanwhile: this may be the value before
                self._keep(key, value)
            return value
        finally:
            if self._loading.get(key) is mine:
                del self._loading[key]

    def _keep(self, key: str, value: Value) -> None:
        lifetime = self._seconds * (1 - JITTER * random.random())  # noqa: S311 - no secret
        self._kept[key] = value, time.monotonic() + lifetime
        self._kept.move_to_end(key)
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)

    async def changed(self, key: str) -> None:
        """Call it after the change is committed."""
        self._forget(key)
        await self._changes.tell(key)

    def _forget(self, key: str) -> None:
        if key == EVERYTHING:
            self._forget_all()
        self._kept.pop(key, None)
        self._loading.pop(key, None)

    def _forget_all(self) -> None:
        self._kept.clear()
        self._loading.clear()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator["ReadCache[Value]"]:
        """Hears of changes for as long as the block runs."""
        async with repeated(self._follow, f"changes of {self._changes.channel}", pause=RECONNECT):
            yield self

    async def _follow(self) -> None:
        """Raises redis' errors, and TimeoutError."""
        try:
            async with self._subscriber.pubsub() as pubsub:
                await pubsub.subscribe(self._changes.channel)
                await follow(pubsub, SILENCE, self._hear)
        except (RedisError, OSError) as error:
            if self._listening:
                log.warning("changes_not_heard", channel=self._changes.channel, reason=described(error))
            raise
        finally:
            self._listening = False
            self._forget_all()

    def _hear(self, message: dict[str, Any] | None) -> None:
        if message is None:
            return
        if message["type"] == "subscribe":  # also when redis has replaced the connection: messages are lost
            self._forget_all()
            self._listening = True
        elif message["type"] == "message":
            data = message["data"]
            self._forget(data.decode("utf-8", "replace") if isinstance(data, bytes) else data)


def _retrieved(task: "asyncio.Task[Any]") -> None:
    """An error that nobody waited for is no news."""
    if not task.cancelled():
        task.exception()
