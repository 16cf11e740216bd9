"""What each service may do in Redis: deploy/redis.acl, on a real server."""

import secrets
import tempfile
import time
import tomllib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError

from items.consumer import NEWEST
from ml_predict.announcer import Announcer
from ml_predict.events import STREAM as MODELS
from ml_predict.events import DefaultChanged
from shared.embedded import EmbeddedValkey
from shared.events import Event, Fact, Handlers
from shared.events.consumer import Consumer
from shared.events.dead_letters import DeadLetters
from shared.events.stream import Stream
from shared.identity.ended_sessions import CHANNEL, ENDED, publish_end, restore
from shared.identity.revocations import Revocations
from shared.redis import request_client, stream_client, subscriber_client
from shared.secrets import make_secrets
from shared.settings import RedisSettings
from stack.folder import PLAN, redis_users

OTHERS = ("gateway", "items", "ml-predict")
Settings = Callable[[str], RedisSettings]


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    """How a service connects, with the secrets and the rules that ship."""
    with tempfile.TemporaryDirectory(prefix="facet-test-") as name:
        folder = Path(name)
        make_secrets(folder / "secrets", tomllib.loads(PLAN.read_text()))
        password = secrets.token_urlsafe()
        users = redis_users(folder / "secrets")
        server = EmbeddedValkey(folder / "data", password, folder / "log", users)
        server.start()

        def of(service: str) -> RedisSettings:
            file = folder / "secrets" / service / f"{service.replace('-', '_')}_redis_password"
            return RedisSettings(
                redis_url=server.url, redis_username=service, redis_password=file.read_text().strip()
            )

        yield of
        server.stop()


@asynccontextmanager
async def client(settings: RedisSettings) -> AsyncIterator[Redis]:
    async with request_client(settings) as opened:
        yield opened


FORBIDDEN: dict[str, Callable[[Redis], Any]] = {
    "end a session": lambda redis: publish_end(redis, ["s"], 60),
    "publish an end": lambda redis: redis.publish(CHANNEL, "9999999999 s"),
    "publish on another identity channel": lambda redis: redis.publish("identity:other", "x"),
    "add to the list": lambda redis: redis.zadd(ENDED, {"s": 1.0}),
    "clear the list": lambda redis: redis.delete(ENDED),
    "write another identity key": lambda redis: redis.set("identity:x", "1"),
    "add to the list by a script": lambda redis: redis.eval(
        "return redis.call('ZADD', KEYS[1], 1, 's')", 1, ENDED
    ),
    "add by a script that hides its key": lambda redis: redis.eval(
        "return redis.call('ZADD', 'identity:ended', 1, 's')", 0
    ),
    "read what users keeps": lambda redis: redis.get("users:x"),
    "forget everything": lambda redis: redis.flushall(),
    "list all keys": lambda redis: redis.keys(),
    "change the server": lambda redis: redis.config_set("maxmemory", "1"),
    "tell what users would tell": lambda redis: redis.xadd("events:users", {"event": "{}"}),
    "delete what users has told": lambda redis: redis.delete("events:users"),
    "trim what users has told": lambda redis: redis.xtrim("events:users", maxlen=0),
    "read a stream that is not for it": lambda redis: redis.xrange("events:other"),
    "give itself rights": lambda redis: redis.acl_setuser("items", enabled=True, commands=["+@all"]),
}


@pytest.mark.parametrize("service", OTHERS)
@pytest.mark.parametrize("what", FORBIDDEN)
async def test_no_other_service_may(settings: Settings, service: str, what: str) -> None:
    async with client(settings(service)) as redis:
        with pytest.raises(Exception, match=r"(?i)permission|NOPERM|ACL failure") as refused:
            await FORBIDDEN[what](redis)
    assert isinstance(refused.value, NoPermissionError) or "script" in what


@pytest.mark.parametrize(
    "what", ["forget everything", "list all keys", "change the server", "give itself rights"]
)
async def test_not_even_users_may(settings: Settings, what: str) -> None:
    async with client(settings("users")) as redis:
        with pytest.raises(NoPermissionError):
            await FORBIDDEN[what](redis)


@pytest.mark.parametrize("service", ["users", *OTHERS])
async def test_every_service_hears_what_users_says(
    settings: Settings, service: str, eventually: Callable[..., Any]
) -> None:
    before, after = secrets.token_hex(8), secrets.token_hex(8)
    async with client(settings("users")) as redis, subscriber_client(settings(service)) as subscriber:
        await restore(redis, {before: time.time() + 60})
        async with Revocations(subscriber).listening() as revocations:
            assert before in revocations
            await publish_end(redis, [after], 60)
            await eventually(lambda: after in revocations, True)


@pytest.mark.parametrize("service", ["users", *OTHERS])
async def test_a_service_does_as_it_likes_with_its_own_keys(settings: Settings, service: str) -> None:
    async with client(settings(service)) as redis:
        key = f"{service}:key"
        await redis.set(key, "1", ex=60)
        assert await redis.eval("return redis.call('INCR', KEYS[1])", 1, key) == 2
        await redis.publish(f"{service}:channel", "x")
        async with redis.pipeline(transaction=True) as pipe:
            pipe.get(key)
            pipe.delete(key)
            assert await pipe.execute() == ["2", 1]


async def test_nobody_knows_anothers_password(settings: Settings) -> None:
    passwords = {settings(service).redis_password.get_secret_value() for service in ("users", *OTHERS)}
    assert len(passwords) == 4


@asynccontextmanager
async def streams(settings: RedisSettings) -> AsyncIterator[Redis]:
    async with stream_client(settings) as opened:
        yield opened


async def test_items_consumes_what_users_tells_and_may_do_all_that_this_takes(
    settings: Settings, eventually: Callable[..., Any]
) -> None:
    """Relay, consumer and dead letters with the rights that ship, the rare commands too."""
    name, group = "events:users", "items"
    fact = {"user_id": 1}
    events = [
        Event(id=kind, kind=kind, version=1, sequence=number, occurred_at=NOW, request_id="", data=fact)
        for number, kind in enumerate(["user.deleted", "user.exploded"])
    ]
    seen: list[str] = []

    async def handle(event: Event, _: Any) -> None:
        seen.append(event.kind)

    async with streams(settings("users")) as users, streams(settings("items")) as items:
        stream = Stream(users, name, [group], longest=2)
        await stream.add(events)
        consumer = Consumer(items, name, group, "1", Handlers({Exploded: fail, Deleted: handle}), abandoned=0)
        consumer._first_pause = 0.001
        async with consumer.running():
            await eventually(lambda: seen, ["user.deleted"])
            await eventually(lambda: DeadLetters(items, group).number(), 1)
        consumer._stopping = False
        await consumer._take_over()
        await consumer._look()
        await items.xgroup_delconsumer(name, group, "somebody")
        assert await stream.has_room(), "what is finished is trimmed"
        assert await stream.unfinished() == {group: 0}
        with pytest.raises(NoPermissionError):
            await users.xgroup_destroy(name, group)


class Deleted(Fact):
    kind = "user.deleted"


class Exploded(Fact):
    kind = "user.exploded"


NOW = datetime(2026, 1, 1, tzinfo=UTC)


async def fail(*_: Any) -> None:
    raise ValueError


async def test_ml_predict_tells_of_models_once_and_items_hears_it(
    settings: Settings, eventually: Callable[..., Any]
) -> None:
    seen: list[str] = []

    async def handle(_: Event, fact: DefaultChanged) -> None:
        seen.append(fact.default)

    async with streams(settings("ml-predict")) as sender, streams(settings("items")) as items:
        announcer = Announcer(sender, lambda: {"tiny": "1"}, main="tiny")
        for _ in range(2):
            await announcer.follow()
        handlers = Handlers({DefaultChanged: handle})
        newest = NEWEST[MODELS]
        consumer = Consumer(items, MODELS, "items", "1", handlers, abandoned=0, newest=newest)
        async with consumer.running():
            await eventually(lambda: seen, ["1", "1"])  # as the newest that is known, and from the stream
        with pytest.raises(NoPermissionError):
            await items.hset(newest, "tiny", "{}")
        await consumer._take_over()
        await consumer._look()


READING_AND_REMOVING: dict[str, Callable[[Redis], Any]] = {
    "read": lambda redis: redis.xrange(MODELS),
    "trim": lambda redis: redis.xtrim(MODELS, maxlen=0),
    "delete": lambda redis: redis.delete(MODELS),
}


@pytest.mark.parametrize("what", READING_AND_REMOVING)
async def test_ml_predict_only_adds_to_its_stream(settings: Settings, what: str) -> None:
    async with client(settings("ml-predict")) as redis:
        with pytest.raises(NoPermissionError):
            await READING_AND_REMOVING[what](redis)


@pytest.mark.parametrize("service", ["users", "gateway", "items"])
async def test_no_other_service_tells_of_models(settings: Settings, service: str) -> None:
    async with client(settings(service)) as redis:
        with pytest.raises(NoPermissionError):
            await redis.xadd(MODELS, {"event": "{}"})


@pytest.mark.parametrize("service", ["gateway", "ml-predict"])
async def test_who_consumes_nothing_reads_no_events(settings: Settings, service: str) -> None:
    async with client(settings(service)) as redis:
        for stream in ("events:users", "events:items"):
            with pytest.raises(NoPermissionError):
                await redis.xread({stream: "0"})
