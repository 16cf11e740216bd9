"""Each event has its effect once; what cannot be handled is put aside and can be replayed."""

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from shared.context import CURRENT, RequestContext
from shared.events import Event, Fact, Handlers
from shared.events import consumer as consuming
from shared.events.dead_letters import DeadLetters
from shared.exceptions import DatabaseUnavailable

Eventually = Callable[..., Awaitable[Any]]


@contextlib.asynccontextmanager
async def running(*members: Any) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        for member in members:
            tasks.create_task(member.run())
        yield
        for member in members:
            member.stop()


async def send(scene: Any, *rings: int) -> None:
    for ring in rings:
        await scene.tell(ring)
    await scene.relay().send()


async def test_events_from_before_the_first_start_are_handled(scene: Any, eventually: Eventually) -> None:
    await send(scene, 1, 2)
    async with running(scene.member()):
        await eventually(scene.sold, {1: 1, 2: 1})


async def test_an_event_that_comes_twice_has_one_effect(scene: Any, eventually: Eventually) -> None:
    await send(scene, 1)
    [(_, fields)] = await scene.bytes_redis.xrange(scene.stream)
    await scene.bytes_redis.xadd(scene.stream, fields)
    await send(scene, 2)
    async with running(scene.member(), scene.member(name="2")):
        await eventually(scene.sold, {1: 1, 2: 1})


async def test_what_a_killed_consumer_had_read_is_taken_over(scene: Any, eventually: Eventually) -> None:
    await send(scene, 1)
    killed = scene.member(name="killed")
    await killed._join()
    await scene.bytes_redis.xreadgroup(scene.group, "killed", {scene.stream: ">"})
    async with running(scene.member(name="other", abandoned=0)):
        await eventually(scene.sold, {1: 1})


async def test_a_restarted_consumer_finishes_what_it_had_read(scene: Any, eventually: Eventually) -> None:
    await send(scene, 1)
    await scene.member()._join()
    await scene.bytes_redis.xreadgroup(scene.group, "1", {scene.stream: ">"})
    async with running(scene.member()):
        await eventually(scene.sold, {1: 1})


async def test_an_event_that_always_fails_becomes_a_dead_letter_and_the_next_is_handled(
    scene: Any, eventually: Eventually
) -> None:
    async def fails(event: Event, sold: Any) -> None:
        if sold.ring == 1:
            raise ValueError("no such ring")
        await scene.count_once(event, sold)

    await send(scene, 1, 2)
    letters = DeadLetters(scene.bytes_redis, scene.group)
    async with running(scene.member(fails)):
        await eventually(scene.sold, {2: 1})
    [letter] = await letters.all()
    assert "no such ring" in letter.reason
    assert letter.event is not None

    assert await letters.replay({scene.stream: scene.handlers()}) == (1, [])
    assert await scene.sold() == {1: 1, 2: 1}
    assert await letters.all() == []


async def test_a_replay_that_fails_keeps_the_letter(scene: Any, eventually: Eventually) -> None:
    async def fails(_: Event, __: Any) -> None:
        raise ValueError

    await send(scene, 1)
    letters = DeadLetters(scene.bytes_redis, scene.group)
    async with running(scene.member(fails)):
        await eventually(lambda: count(letters), 1)
    handled, left = await letters.replay({scene.stream: scene.handlers(fails)})
    assert (handled, len(left)) == (0, 1)
    assert await count(letters) == 1


async def count(letters: DeadLetters) -> int:
    return len(await letters.all())


@pytest.mark.parametrize(
    "fields", [{"other": "x"}, {"event": b"\xff\xfe"}, {"event": "{}"}, {"event": "[" * 5000}]
)
async def test_nonsense_in_the_stream_stops_nothing(
    scene: Any, eventually: Eventually, fields: dict[str, Any]
) -> None:
    await scene.bytes_redis.xadd(scene.stream, fields)
    await send(scene, 1)
    async with running(scene.member()):
        await eventually(scene.sold, {1: 1})
    [letter] = await DeadLetters(scene.bytes_redis, scene.group).all()
    assert letter.event is None


async def test_events_of_unknown_kinds_are_passed_over(scene: Any, eventually: Eventually) -> None:
    await send(scene, 1)
    consumer = scene.member()
    consumer._handlers = Handlers({})
    async with running(consumer):
        await eventually(lambda: pending(scene), 0)
    assert await scene.sold() == {}


async def pending(scene: Any) -> int | None:
    groups = await scene.redis.xinfo_groups(scene.stream)
    return groups[0]["pending"] + groups[0]["lag"] if groups else None


async def test_while_postgres_is_away_nothing_is_given_up(
    scene: Any, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often it is tried: more often than an event that fails for another reason."""
    monkeypatch.setattr(consuming, "OUTAGE_PAUSE", 0.001)
    asked = 0

    async def away(event: Event, sold: Any) -> None:
        nonlocal asked
        asked += 1
        if asked <= 2 * consuming.ATTEMPTS:
            raise DatabaseUnavailable
        await scene.count_once(event, sold)

    await send(scene, 1)
    async with running(scene.member(away)):
        await eventually(scene.sold, {1: 1})
    assert await DeadLetters(scene.bytes_redis, scene.group).all() == []


async def test_a_stream_that_is_lost_while_consumers_read_it_loses_nothing(
    scene: Any, eventually: Eventually
) -> None:
    await send(scene, 1)
    async with running(scene.member()):
        await eventually(scene.sold, {1: 1})
        await scene.redis.delete(scene.stream)
        await send(scene, 2)
        await eventually(scene.sold, {1: 1, 2: 1})


async def test_an_event_that_kills_its_consumer_becomes_a_dead_letter(
    scene: Any, eventually: Eventually
) -> None:
    await send(scene, 1)
    await scene.member(name="killed")._join()
    await scene.bytes_redis.xreadgroup(scene.group, "killed", {scene.stream: ">"})
    [entry] = await scene.bytes_redis.xpending_range(scene.stream, scene.group, "-", "+", 1)
    await scene.bytes_redis.xclaim(
        scene.stream, scene.group, "killed", 0, [entry["message_id"]], retrycount=50
    )
    async with running(scene.member(name="other", abandoned=0)):
        await eventually(lambda: count(DeadLetters(scene.bytes_redis, scene.group)), 1)
    assert await scene.sold() == {}


async def test_an_unknown_version_waits_for_code_that_knows_it(scene: Any, eventually: Eventually) -> None:
    """It is neither passed over nor guessed at; what comes after it is handled."""
    await send(scene, 1, 2)
    [(_, fields), _] = await scene.bytes_redis.xrange(scene.stream)
    newer = {b"event": fields[b"event"].replace(b'"version":1', b'"version":2')}
    await scene.bytes_redis.delete(scene.stream)
    await scene.bytes_redis.xadd(scene.stream, newer)
    await send(scene, 3)
    letters = DeadLetters(scene.bytes_redis, scene.group)
    async with running(scene.member()):
        await eventually(lambda: in_sold(scene, 3), True)
    [letter] = await letters.all()
    assert letter.reason == "unknown version 2"

    class SoldAgain(Fact):
        kind = "ring.sold"
        version = 2
        ring: int

    unknown = letter_that_says(letter, "unknown version 2")
    assert await letters.replay({scene.stream: scene.handlers()}) == (0, [unknown])
    assert await letters.replay({scene.stream: Handlers({SoldAgain: scene.count_once})}) == (1, [])
    assert (await scene.sold())[1] == 1


async def in_sold(scene: Any, ring: int) -> bool:
    return ring in await scene.sold()


def letter_that_says(letter: Any, reason: str) -> Any:
    return dataclasses.replace(letter, reason=f"NotAnEvent({reason!r})")


async def test_data_that_does_not_fit_becomes_a_dead_letter_at_once(
    scene: Any, eventually: Eventually
) -> None:
    await send(scene, 1)
    [(_, fields)] = await scene.bytes_redis.xrange(scene.stream)
    wrong = {b"event": fields[b"event"].replace(b'"ring":1', b'"ring":"one"')}
    await scene.bytes_redis.xadd(scene.stream, wrong)
    async with running(scene.member(first_pause=60.0)):
        await eventually(lambda: count(DeadLetters(scene.bytes_redis, scene.group)), 1)
    [letter] = await DeadLetters(scene.bytes_redis, scene.group).all()
    assert letter.reason == "wrong data: ring"


async def test_full_dead_letters_stop_the_consumer_and_lose_nothing(
    scene: Any, eventually: Eventually
) -> None:
    async def fails(_: Event, __: Any) -> None:
        raise ValueError

    await send(scene, 1, 2, 3)
    letters = DeadLetters(scene.bytes_redis, scene.group, most=1)
    consumer = scene.member(fails)
    consumer._dead = letters
    async with running(consumer):
        await eventually(lambda: count(letters), 1)
        await eventually(lambda: consumer._ready, False)
    assert await count(letters) == 1
    assert await pending(scene) == 2


async def test_a_group_that_somebody_deleted_reads_everything_again(
    scene: Any, eventually: Eventually
) -> None:
    await send(scene, 1)
    async with running(scene.member()):
        await eventually(lambda: in_sold(scene, 1), True)
        await scene.redis.xgroup_destroy(scene.stream, scene.group)
        await send(scene, 2)
        await eventually(scene.sold, {1: 1, 2: 1})


async def test_a_handler_works_under_the_ids_of_the_request_that_made_it_true(
    scene: Any, eventually: Eventually
) -> None:
    seen = []

    async def note(event: Event, _: Any) -> None:
        seen.append((event.request_id, CURRENT.get().request_id))

    before = CURRENT.set(RequestContext.start(b"the-request"))
    try:
        await send(scene, 1)
    finally:
        CURRENT.reset(before)
    async with running(scene.member(note)):
        await eventually(lambda: seen, [("the-request", "the-request")])


# Events that the stream has lost


@pytest_asyncio.fixture(loop_scope="session")
async def newest(scene: Any) -> AsyncIterator[str]:
    """A hash beside the stream, with the event of one sale that is not in it."""
    key = f"{scene.stream}:newest"
    event = {"id": "lost", "kind": "ring.sold", "version": 1, "sequence": 1, "request_id": ""}
    event |= {"occurred_at": "2026-01-01T00:00:00Z", "data": {"ring": 7}}
    await scene.redis.hset(key, "ring", json.dumps(event))
    yield key
    await scene.redis.delete(key)


async def test_a_lost_event_is_heard_from_the_hash_of_the_newest_when_the_consumer_joins(
    scene: Any, newest: str, eventually: Eventually
) -> None:
    async with running(scene.member(newest=newest)):
        await eventually(scene.sold, {7: 1})


async def test_what_is_lost_while_it_runs_is_heard_within_a_minute_and_once(
    scene: Any, newest: str, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = await scene.redis.hgetall(newest)
    await scene.redis.delete(newest)
    consumer = scene.member(newest=newest)
    async with running(consumer):
        await eventually(lambda: consumer._reconciled_at > 0)
        monkeypatch.setattr(consuming, "RECONCILE", 0.0)
        await scene.redis.hset(newest, mapping=kept)
        await eventually(scene.sold, {7: 1})
        at = consumer._reconciled_at
        await eventually(lambda: consumer._reconciled_at > at)
    assert await scene.sold() == {7: 1}


async def test_nonsense_and_failures_among_the_newest_stop_nothing(
    scene: Any, newest: str, eventually: Eventually
) -> None:
    await scene.redis.hset(newest, "a", "nonsense")

    async def fails(_: Any, fact: Any) -> None:
        if fact.ring == 7:
            raise ValueError
        heard.append(fact.ring)

    heard: list[int] = []
    await scene.tell(8)
    await scene.relay().send()
    async with running(scene.member(fails, newest=newest)):
        await eventually(lambda: heard, [8])


async def test_without_postgres_the_newest_are_heard_later(
    scene: Any, newest: str, eventually: Eventually
) -> None:
    away = [True]

    async def handle(event: Any, fact: Any) -> None:
        if away:
            away.clear()
            raise DatabaseUnavailable
        await scene.count_once(event, fact)

    async with running(scene.member(handle, newest=newest)):
        await eventually(scene.sold, {7: 1})
