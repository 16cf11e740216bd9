"""Relay and consumers die at random points: no event is lost and none is applied twice."""

import asyncio
import contextlib
import random
from typing import Any

import pytest

SHORT, LONG = 5, 10_000


async def die(work: Any, after: float) -> None:
    """Runs `work` and ends it at whatever await it has reached: nothing after that point happens."""
    task = asyncio.ensure_future(work)
    await asyncio.wait([task], timeout=after)
    while not task.done():  # a timeout of Redis' client at that very moment hides the first
        task.cancel()
        await asyncio.wait([task], timeout=0.05)


async def one_schedule(scene: Any, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a schedule, not a secret
    told = []
    for step in range(chance.randint(3, 8)):
        ring = seed * 100 + step
        with contextlib.suppress(LookupError):
            await scene.tell(ring, broken=chance.random() < 0.2)
            told.append(ring)
        after = chance.uniform(0, 0.008)
        match chance.choice(["relay", "consumer", "both", "lost", "calm"]):
            case "relay":
                await die(scene.relay().send(), after)
            case "consumer":
                await die(scene.member(abandoned=0).run(), after)
            case "both":
                await asyncio.gather(
                    die(scene.relay().send(), after), die(scene.member(name="2", abandoned=0).run(), after)
                )
            case "lost":
                await scene.redis.delete(scene.stream)
    expected = dict.fromkeys(told, 1)
    survivor = scene.member(name="3", abandoned=0)
    task = asyncio.create_task(survivor.run())
    async with asyncio.timeout(20):
        while (sold := await of_this(scene, seed)) != expected:
            assert all(times == 1 for times in sold.values()), sold
            await scene.relay().send()
    survivor.stop()
    await task
    assert await of_this(scene, seed) == expected


async def of_this(scene: Any, seed: int) -> dict[int, int]:
    return {ring: times for ring, times in (await scene.sold()).items() if ring // 100 == seed}


async def test_no_event_is_lost_or_applied_twice(scene: Any) -> None:
    for schedule in range(SHORT):
        await one_schedule(scene, schedule)


@pytest.mark.soak
async def test_no_event_is_lost_or_applied_twice_in_ten_thousand_schedules(scene: Any) -> None:
    for schedule in range(LONG):
        await one_schedule(scene, schedule)
        if schedule % 100 == 99:
            async with scene.consumer.transaction() as connection:
                await connection.command("TRUNCATE sold")
