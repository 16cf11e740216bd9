"""What is committed is sent, in order; what Redis loses is sent again."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from shared.events.event import decode
from shared.events.group import entries
from shared.events.outbox import OutboxRepository
from shared.events.stream import position
from shared.exceptions import DatabaseUnavailable


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


async def test_while_postgres_may_only_be_read_nothing_is_sent(scene: Any) -> None:
    await scene.tell(1)
    for _ in range(3):
        await scene.sender.autocommit.execute(text("SET default_transaction_read_only = on"))
        with pytest.raises(DatabaseUnavailable):
            await scene.relay().send()
    await scene.relay().send()
    assert await rings(scene) == [1]


async def test_two_relays_at_once_send_nothing_twice(scene: Any) -> None:
    for ring in range(50):
        await scene.tell(ring)
    await asyncio.gather(*(scene.relay().send() for _ in range(4)))
    await scene.relay().send()
    assert await rings(scene) == list(range(50))


async def test_while_one_relay_sends_another_sends_nothing(scene: Any) -> None:
    await scene.tell(1)
    async with scene.sender.transaction() as connection:
        assert await OutboxRepository(connection).lock()
        await scene.relay().send()
        assert await rings(scene) == []
    await scene.relay().send()
    assert await rings(scene) == [1]


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


async def test_a_loss_is_not_forgotten_when_postgres_fails_meanwhile(
    scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.tell(1)
    await scene.relay().send()
    await scene.redis.delete(scene.stream)
    await scene.tell(2)

    async def fail(*_: Any) -> None:
        raise DatabaseUnavailable

    with monkeypatch.context() as broken:
        broken.setattr(OutboxRepository, "mark_sent", fail)
        with pytest.raises(DatabaseUnavailable):
            await scene.relay().send()
    await scene.relay().send()
    await scene.relay().send()
    assert {1, 2} == set(await rings(scene))


async def test_a_stream_that_is_lost_between_two_commands_is_sent_again(
    scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.tell(1)
    relay = scene.relay()
    await relay.send()
    await scene.tell(2)
    end = relay._stream.end

    async def lose_it_then() -> int:
        found = await end()
        await scene.redis.delete(scene.stream)
        return found

    monkeypatch.setattr(relay._stream, "end", lose_it_then)
    await relay._send_batch()
    monkeypatch.setattr(relay._stream, "end", end)
    await relay.send()
    assert {1, 2} == set(await rings(scene))


async def test_many_events_wait_again_in_several_statements_one_of_which_may_be_the_last_of_its_process(
    scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.events.outbox.CHANGED", 10)
    for ring in range(25):
        await scene.tell(ring)
    await scene.relay().send()
    await scene.redis.delete(scene.stream)
    await scene.tell(25)
    assert await scene.relay()._send_batch()
    assert await rings(scene) == []
    await scene.relay().send()
    assert await rings(scene) == list(range(26))


async def test_many_events_are_forgotten_in_several_statements(
    scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.events.outbox.CHANGED", 2)
    for ring in range(5):
        await scene.tell(ring)
    relay = scene.relay()
    await relay.send()
    await relay.clean(timedelta(0))
    assert await kept(scene) == 0


def test_positions_are_in_the_order_of_stream_ids() -> None:
    ids = ["0-1", "0-2", "1-0", "1-10", "2-9", b"1732413600000-0", "1732413600000-1"]
    found = [position(stream_id) for stream_id in ids]
    assert found == sorted(found)
    assert len(set(found)) == len(found)
    assert found[-1] < 2**63


async def test_a_full_stream_makes_events_wait_in_postgres_until_a_consumer_has_finished(
    scene: Any, eventually: Any
) -> None:
    relay = scene.relay([scene.group], longest=3)
    for ring in range(250):
        await scene.tell(ring)
    await relay.send()  # one batch fills it
    sent = await rings(scene)
    assert sent == list(range(len(sent)))
    assert 3 <= len(sent) < 250
    await relay.send()
    assert await rings(scene) == sent, "nothing that is unread is deleted"

    consumer = scene.member()
    task = asyncio.create_task(consumer.run())
    await eventually(lambda: drained(scene, relay), 250, seconds=30)
    consumer.stop()
    await task
    assert await scene.sold() == dict.fromkeys(range(250), 1)


async def drained(scene: Any, relay: Any) -> int:
    await relay.send()
    return len(await scene.sold())


async def test_without_any_consumer_the_stream_stays_bounded(scene: Any) -> None:
    relay = scene.relay(longest=10)
    for ring in range(30):
        await scene.tell(ring)
        await relay.send()
    assert len(await rings(scene)) <= 10
    assert (await rings(scene))[-1] == 29


async def test_a_consumer_that_never_started_is_waited_for(scene: Any) -> None:
    relay = scene.relay(["never"], longest=10)
    for ring in range(30):
        await scene.tell(ring)
        await relay.send()
    assert await rings(scene) == list(range(10))


async def test_only_what_every_consumer_has_finished_is_forgotten(scene: Any) -> None:
    relay = scene.relay([scene.group])
    for ring in range(3):
        await scene.tell(ring)
    await relay.send()
    await relay.clean(timedelta(0))
    assert await kept(scene) == 3, "nobody has read them"

    await scene.member()._join()
    answer = await scene.bytes_redis.xreadgroup(scene.group, "1", {scene.stream: ">"}, count=2)
    (first, _), (second, _) = entries(answer)
    await scene.bytes_redis.xack(scene.stream, scene.group, second)
    await relay.clean(timedelta(0))
    assert await kept(scene) == 3, "the first is read and not finished"
    await scene.bytes_redis.xack(scene.stream, scene.group, first)
    await relay.clean(timedelta(0))
    assert await kept(scene) == 1


async def kept(scene: Any) -> int:
    async with scene.sender.transaction() as connection:
        return await connection.scalar(text("SELECT count(*) FROM outbox"))


async def test_after_a_loss_and_a_clock_that_was_set_back_everything_is_sent_again(scene: Any) -> None:
    await scene.tell(1)
    await scene.relay().send()
    async with scene.sender.transaction() as connection:
        await connection.execute(text("UPDATE outbox SET position = position + (3600000::bigint << 20)"))
    await scene.redis.delete(scene.stream)
    await scene.tell(2)
    await scene.relay().send()
    await scene.relay().send()
    await scene.relay().send()
    assert sorted(await rings(scene)) == [1, 2]


async def test_a_relay_shows_what_each_consumer_still_has_to_do(scene: Any) -> None:
    relay = scene.relay([scene.group, "never"])
    await scene.tell(1)
    await scene.tell(2)
    await relay.send()
    await scene.member()._join()
    await scene.bytes_redis.xreadgroup(scene.group, "1", {scene.stream: ">"}, count=1)
    assert await relay._stream.unfinished() == {scene.group: 2, "never": 2}
