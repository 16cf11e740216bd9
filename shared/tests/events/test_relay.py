"""What is committed is sent, in order; what Redis loses is sent again."""

import asyncio
from typing import Any

import pytest

from shared.events.event import decode
from shared.events.relay import position


async def rings(scene: Any) -> list[int]:
    entries = await scene.bytes_redis.xrange(scene.stream)
    return [decode(fields).data["ring"] for _, fields in entries]


async def test_committed_facts_are_sent_once_and_in_order(scene: Any) -> None:
    for ring in range(250):  # more than one batch
        await scene.tell(ring)
    await scene.relay().send()
    await scene.relay().send()
    assert await rings(scene) == list(range(250))


async def test_a_fact_that_was_rolled_back_is_never_sent(scene: Any) -> None:
    with pytest.raises(LookupError):
        await scene.tell(1, broken=True)
    await scene.tell(2)
    await scene.relay().send()
    assert await rings(scene) == [2]


async def test_two_relays_at_once_send_nothing_twice(scene: Any) -> None:
    for ring in range(50):
        await scene.tell(ring)
    await asyncio.gather(*(scene.relay().send() for _ in range(4)))
    await scene.relay().send()
    assert await rings(scene) == list(range(50))


async def test_a_stream_that_redis_lost_is_sent_again(scene: Any) -> None:
    await scene.tell(1)
    await scene.relay().send()
    await scene.redis.delete(scene.stream)
    await scene.tell(2)
    await scene.relay().send()
    await scene.relay().send()
    assert sorted(await rings(scene)) == [1, 2]


async def test_a_stream_that_lost_its_end_is_sent_again(scene: Any) -> None:
    """As after a restart of Redis whose last second was not on disk yet."""
    await scene.tell(1)
    await scene.relay().send()
    copy = await scene.bytes_redis.dump(scene.stream)
    await scene.tell(2)
    await scene.relay().send()
    await scene.bytes_redis.restore(scene.stream, 0, copy, replace=True)
    await scene.relay().send()
    await scene.relay().send()
    assert {1, 2} == set(await rings(scene))


def test_positions_are_in_the_order_of_stream_ids() -> None:
    ids = ["0-1", "0-2", "1-0", "1-10", "2-9", b"1732413600000-0", "1732413600000-1"]
    found = [position(stream_id) for stream_id in ids]
    assert found == sorted(found)
    assert len(set(found)) == len(found)
    assert found[-1] < 2**63
