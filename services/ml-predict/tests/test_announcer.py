"""Each change of a default version is told once, by whichever worker comes first, and never forgotten."""

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from redis.exceptions import RedisError

from ml_predict import announcer as module
from ml_predict.announcer import Announcer
from ml_predict.settings import MlPredictSettings
from shared.events import Event
from shared.events.event import FIELD, decode
from shared.redis import stream_client


@dataclass
class Scene:
    """Workers of one service, with keys of its own in Redis."""

    redis: Redis
    stream: str = field(default_factory=lambda: f"events:{secrets.token_hex(4)}")
    announced: str = field(default_factory=lambda: secrets.token_hex(4) + ":announced")
    served: dict[str, str] = field(default_factory=lambda: {"tiny": "1"})

    def worker(self, served: dict[str, str] | None = None, redis: Redis | None = None) -> Announcer:
        shown = self.served if served is None else served
        keys = {"stream": self.stream, "announced": self.announced}
        return Announcer(redis or self.redis, lambda: dict(shown), main="tiny", **keys)

    async def told(self) -> list[tuple[str, str | None, str]]:
        return [(one.data["model"], one.data["previous"], one.data["default"]) for one in await self.events()]

    async def events(self) -> list[Event]:
        return [decode(fields) for _, fields in await self.redis.xrange(self.stream)]


@pytest_asyncio.fixture(loop_scope="session")
async def scene(settings: MlPredictSettings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.0)
    async with stream_client(settings) as redis:
        yield Scene(redis)


async def test_the_first_start_tells_what_is_served_and_the_next_one_nothing(scene: Scene) -> None:
    scene.served["other"] = "7"
    for _ in range(3):
        await scene.worker().follow()
    assert await scene.told() == [("other", None, "7"), ("tiny", None, "1")]
    assert [one.data["main"] for one in await scene.events()] == [False, True]


async def test_of_many_workers_that_follow_at_once_one_tells(scene: Scene) -> None:
    workers = [scene.worker() for _ in range(8)]
    await asyncio.gather(*(worker.follow() for worker in workers))
    scene.served["tiny"] = "2"
    await asyncio.gather(*(worker.follow() for worker in workers))
    assert await scene.told() == [("tiny", None, "1"), ("tiny", "1", "2")]


async def test_a_worker_that_follows_later_does_not_take_it_back(scene: Scene) -> None:
    early, late = {"tiny": "1"}, {"tiny": "1"}
    first, second = scene.worker(early), scene.worker(late)
    await first.follow()
    await second.follow()
    early["tiny"] = "2"
    await first.follow()
    await second.follow()  # it still serves version 1
    late["tiny"] = "2"
    await second.follow()
    assert await scene.told() == [("tiny", None, "1"), ("tiny", "1", "2")]


async def test_a_change_whose_worker_died_before_it_told_is_told_by_the_next_start(scene: Scene) -> None:
    await scene.worker().follow()
    scene.served["tiny"] = "2"
    await scene.worker().follow()
    assert (await scene.told())[-1] == ("tiny", "1", "2")


async def test_there_and_back_is_told_twice_with_growing_sequences(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.cycle([5_000_000, 4_000_000])  # it is set back again and again
    monkeypatch.setattr(module.time, "time_ns", lambda: next(clock))
    worker = scene.worker()
    for version in ("1", "2", "1", "2"):
        scene.served["tiny"] = version
        await worker.follow()
    sequences = [one.sequence for one in await scene.events()]
    assert len(sequences) == 4
    assert sequences == sorted(set(sequences))


async def test_what_redis_has_lost_is_told_again(scene: Scene) -> None:
    worker = scene.worker()
    await worker.follow()
    await scene.redis.delete(scene.stream, scene.announced)
    await worker.follow()
    assert await scene.told() == [("tiny", None, "1")]


async def test_a_change_that_redis_forgot_is_told_again_by_a_worker_that_follows_it(scene: Scene) -> None:
    late = {"tiny": "1"}
    workers = [scene.worker(), scene.worker(late)]
    for worker in workers:
        await worker.follow()
    before = await scene.redis.hgetall(scene.announced)
    scene.served["tiny"] = "2"
    for worker in workers:
        await worker.follow()
    known = (await scene.events())[-1].sequence
    await scene.redis.hset(scene.announced, mapping=before)  # it came back with an older copy of its memory
    for worker in reversed(workers):
        await worker.follow()
    events = await scene.events()
    assert [one.data["default"] for one in events] == ["1", "2", "2"]
    assert events[-1].sequence > known


async def test_the_hash_has_the_newest_event_as_it_stands_in_the_stream(scene: Scene) -> None:
    for version in ("1", "2"):
        scene.served["tiny"] = version
        await scene.worker().follow()
    [kept] = (await scene.redis.hgetall(scene.announced)).values()
    assert decode({FIELD: kept}) == (await scene.events())[-1]


async def test_what_nobody_can_read_is_told_anew(scene: Scene) -> None:
    await scene.worker().follow()
    await scene.redis.hset(scene.announced, "tiny", "nonsense")
    await scene.worker().follow()
    assert await scene.told() == [("tiny", None, "1"), ("tiny", None, "1")]


async def test_while_redis_is_away_nothing_is_forgotten(scene: Scene, settings: MlPredictSettings) -> None:
    await scene.worker().follow()
    nowhere: Any = settings.model_copy(update={"redis_url": "unix:///nowhere"})
    async with stream_client(nowhere) as away:
        worker = scene.worker(redis=away)
        scene.served["tiny"] = "2"
        with pytest.raises(RedisError):
            await worker.follow()
        worker._redis = scene.redis
        await worker.follow()
    assert (await scene.told())[-1] == ("tiny", "1", "2")
