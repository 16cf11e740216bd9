"""Reads from memory are as good as those of the database: changes, races, floods and a lost Redis."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from shared.read_cache import Changes, ReadCache
from shared.redis import request_client, subscriber_client
from shared.settings import RedisSettings

if TYPE_CHECKING:
    from shared.embedded import EmbeddedValkey

Eventually = Callable[..., Awaitable[Any]]


class Source:
    """Stands for the database: one value, how often it was read, and a hold on the next reads."""

    def __init__(self) -> None:
        self.value = "first"
        self.reads = 0
        self.go = asyncio.Event()
        self.go.set()
        self.reading = asyncio.Event()

    async def load(self) -> str:
        self.reads += 1
        value = self.value
        self.reading.set()
        await self.go.wait()
        return value


@contextlib.asynccontextmanager
async def opened(server: "EmbeddedValkey", **changed: Any) -> AsyncIterator[ReadCache[str]]:
    """A cache as each process has one, with connections of its own."""
    settings = RedisSettings(redis_url=server.url, redis_password=server.password)
    given = {"size": 100, "seconds": 60.0, **changed}
    async with request_client(settings) as publisher, subscriber_client(settings) as subscriber:
        cache: ReadCache[str] = ReadCache(Changes(publisher, "test:changed"), subscriber, **given)
        async with cache.listening():
            yield cache


async def hears(cache: ReadCache[str], eventually: Eventually) -> None:
    await eventually(lambda: cache._listening)


@pytest_asyncio.fixture(loop_scope="session")
async def caches(
    embedded_valkey: "EmbeddedValkey", eventually: Eventually
) -> AsyncIterator[tuple[ReadCache[str], ReadCache[str]]]:
    async with opened(embedded_valkey) as one, opened(embedded_valkey) as other:
        await hears(one, eventually)
        await hears(other, eventually)
        yield one, other


Two = tuple[ReadCache[str], ReadCache[str]]


async def test_a_second_read_asks_nobody(caches: Two) -> None:
    source = Source()
    assert [await caches[0].read("7", source.load) for _ in range(3)] == ["first"] * 3
    assert source.reads == 1


async def test_a_change_is_seen_at_once_here_and_soon_elsewhere(caches: Two, eventually: Eventually) -> None:
    one, other = caches
    source = Source()
    await one.read("7", source.load)
    await other.read("7", source.load)
    source.value = "second"
    await one.changed("7")
    assert await one.read("7", source.load) == "second"
    await eventually(lambda: other.read("7", source.load), "second")
    assert source.reads == 4


async def test_everything_can_change_at_once(
    embedded_valkey: "EmbeddedValkey", caches: Two, eventually: Eventually
) -> None:
    source = Source()
    await caches[0].read("7", source.load)
    settings = RedisSettings(redis_url=embedded_valkey.url, redis_password=embedded_valkey.password)
    async with request_client(settings) as redis:
        await Changes(redis, "test:changed").tell()
    await eventually(lambda: not caches[0]._kept)


async def test_a_thousand_misses_at_once_are_one_query(caches: Two) -> None:
    source = Source()
    source.go.clear()
    reading = [asyncio.ensure_future(caches[0].read("7", source.load)) for _ in range(1000)]
    await source.reading.wait()
    source.go.set()
    assert set(await asyncio.gather(*reading)) == {"first"}
    assert source.reads == 1


@pytest.mark.parametrize("place", [0, 1])
async def test_a_value_that_changed_while_it_was_read_is_not_kept(
    caches: Two, eventually: Eventually, place: int
) -> None:
    """The read began before the change and ends after the message of it."""
    reader = caches[place]
    source = Source()
    source.go.clear()
    old = asyncio.ensure_future(reader.read("7", source.load))
    await source.reading.wait()
    source.value = "second"
    await caches[0].changed("7")
    await eventually(lambda: "7" not in reader._loading)
    source.go.set()
    assert await old == "first"
    assert await reader.read("7", source.load) == "second"


async def test_an_error_reaches_all_who_wait_and_is_not_kept(caches: Two) -> None:
    asked = 0

    async def fail() -> str:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        raise LookupError("gone")

    waiting = [caches[0].read("9", fail) for _ in range(10)]
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(one) for one in found} == {LookupError}
    assert asked == 1
    assert await caches[0].read("9", Source().load) == "first"


async def test_one_who_gives_up_does_not_take_the_others_with_them(caches: Two) -> None:
    source = Source()
    source.go.clear()
    first, second = (asyncio.ensure_future(caches[0].read("7", source.load)) for _ in range(2))
    await source.reading.wait()
    first.cancel()
    source.go.set()
    assert await second == "first"
    assert (source.reads, first.cancelled()) == (1, True)


async def test_it_is_bounded_and_forgets_what_was_used_least(
    embedded_valkey: "EmbeddedValkey", eventually: Eventually
) -> None:
    async with opened(embedded_valkey, size=2) as cache:
        await hears(cache, eventually)
        source = Source()
        for key in ("1", "2", "1", "3"):
            await cache.read(key, source.load)
        assert list(cache._kept) == ["1", "3"]


async def test_a_value_expires(embedded_valkey: "EmbeddedValkey", eventually: Eventually) -> None:
    async with opened(embedded_valkey, seconds=0.05) as cache:
        await hears(cache, eventually)
        source = Source()
        await cache.read("1", source.load)
        source.value = "second"  # and nobody was told
        await eventually(lambda: cache.read("1", source.load), "second")


async def test_without_redis_nothing_is_kept_and_everything_is_answered(
    tmp_path: Path, eventually: Eventually
) -> None:
    from shared.embedded import EmbeddedValkey  # noqa: PLC0415 - beside the others of its kind

    server = EmbeddedValkey(tmp_path / "data", "secret", tmp_path / "log")
    await asyncio.to_thread(server.start)
    async with opened(server) as cache:
        await hears(cache, eventually)
        source = Source()
        for key in ("7", "8"):
            await cache.read(key, source.load)
        await asyncio.to_thread(server.stop)
        await eventually(lambda: not cache._listening)
        source.value = "second"
        await cache.changed("7")
        assert [await cache.read("7", source.load) for _ in range(2)] == ["second"] * 2
        assert await cache.read("8", source.load) == "second", "what another process changes is not heard"
        assert not cache._kept
        await asyncio.to_thread(server.start)
        await hears(cache, eventually)
        assert [await cache.read("7", source.load) for _ in range(2)] == ["second"] * 2
        assert source.reads == 6
    await asyncio.to_thread(server.stop)
