"""Ended sessions are pushed, survive restarts and are forgotten when their tokens are dead anyway."""

import asyncio
import secrets
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from shared.embedded import EmbeddedValkey
from shared.health import CheckFailed
from shared.identity import revocations as module
from shared.identity.ended_sessions import CHANNEL, ENDED, publish_end, read, restore
from shared.identity.exceptions import RevocationsUnknown
from shared.identity.revocations import Revocations
from shared.redis import request_client, subscriber_client
from shared.settings import RedisSettings

Eventually = Callable[..., Any]


@pytest.fixture
def own_valkey(complete_list: Callable[[EmbeddedValkey], None]) -> Iterator[EmbeddedValkey]:
    """One that may be killed."""
    with tempfile.TemporaryDirectory(prefix="facet-test-") as folder:
        server = EmbeddedValkey(Path(folder) / "data", secrets.token_urlsafe(), Path(folder) / "log")
        server.start()
        complete_list(server)
        yield server
        server.stop()


def settings(server: EmbeddedValkey) -> RedisSettings:
    return RedisSettings(redis_url=server.url, redis_password=server.password)


@asynccontextmanager
async def listening(settings: RedisSettings) -> AsyncIterator[tuple[Revocations, Any]]:
    """The ended sessions as a service knows them, and a client to end some with."""
    client, subscriber = request_client(settings), subscriber_client(settings)
    async with Revocations(subscriber).listening() as revocations:
        yield revocations, client
    await client.aclose()
    await subscriber.aclose()


def name() -> str:
    return secrets.token_hex(8)


async def test_an_end_is_pushed_to_every_service(
    redis_settings: dict[str, Any], eventually: Eventually
) -> None:
    given = RedisSettings(**redis_settings)
    one, other = name(), name()
    async with listening(given) as (here, client), listening(given) as (there, _):
        assert one not in here
        await publish_end(client, [one, other], 900)
        await eventually(lambda: all(s in r for s in (one, other) for r in (here, there)), seconds=1)


async def test_what_ended_before_the_start_is_known_at_the_start(redis_settings: dict[str, Any]) -> None:
    given = RedisSettings(**redis_settings)
    client, ended = request_client(given), name()
    await publish_end(client, [ended], 900)
    await client.aclose()
    async with listening(given) as (revocations, _):
        assert ended in revocations


async def test_no_sessions_are_no_command(redis_settings: dict[str, Any]) -> None:
    await publish_end(None, [], 900)  # type: ignore[arg-type]  # it would fail if it were used


async def test_redis_forgets_what_is_over(redis_settings: dict[str, Any]) -> None:
    client, over = request_client(RedisSettings(**redis_settings)), name()
    await client.zadd(ENDED, {over: time.time() - 1})
    await publish_end(client, [name()], 900)
    assert await client.zscore(ENDED, over) is None
    await client.aclose()


async def test_the_marks_of_former_runs_are_taken_out_of_the_list(own_valkey: EmbeddedValkey) -> None:
    client = request_client(settings(own_valkey))
    await restore(client, {})
    [mark] = await client.zrangebyscore(ENDED, "inf", "inf")
    await client.zadd(ENDED, {"run:former": float("inf")})
    await restore(client, {})
    assert await client.zrangebyscore(ENDED, "inf", "inf") == [mark]
    await client.aclose()


async def test_a_service_forgets_what_is_over(
    redis_settings: dict[str, Any], eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SILENCE", 0.3)
    monkeypatch.setattr(module, "KEPT", 0.0)
    short, long = name(), name()
    async with listening(RedisSettings(**redis_settings)) as (revocations, client):
        await publish_end(client, [long], 900)
        await publish_end(client, [short], 1)
        await eventually(lambda: short in revocations)
        await eventually(lambda: short not in revocations)
        assert long in revocations


async def test_a_clock_that_goes_forward_and_back_forgets_nothing(
    redis_settings: dict[str, Any], eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SILENCE", 0.05)
    first, second = name(), name()
    settings = RedisSettings(**redis_settings)
    async with listening(settings) as (revocations, client):
        await publish_end(client, [first, second], 900)
        await eventually(lambda: first in revocations)
        right = time.time
        purges = revocations._purged_at
        monkeypatch.setattr(time, "time", lambda: right() + 2000)
        await eventually(lambda: revocations._purged_at > purges)
        async with listening(settings) as (late, _):
            monkeypatch.setattr(time, "time", right)
            assert first in revocations
            assert second in late


async def test_nonsense_on_the_channel_is_passed_over(
    redis_settings: dict[str, Any], eventually: Eventually
) -> None:
    session = name()
    async with listening(RedisSettings(**redis_settings)) as (revocations, client):
        for nonsense in ("", "x", "soon session", " "):
            await client.publish(CHANNEL, nonsense)
        await publish_end(client, [session], 900)
        await eventually(lambda: session in revocations, seconds=1)


async def test_silence_is_no_loss(
    redis_settings: dict[str, Any],
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Redis is asked now and then whether it is there; its answer keeps the one connection alive."""
    monkeypatch.setattr(module, "SILENCE", 0.3)
    session = name()
    async with listening(RedisSettings(**redis_settings)) as (revocations, client):
        before, asked = await subscribers(client), await pings(client)

        async def asked_often() -> bool:
            return await pings(client) >= asked + 5

        await eventually(asked_often)
        assert await subscribers(client) == before
        await publish_end(client, [session], 900)
        await eventually(lambda: session in revocations, seconds=1)


async def subscribers(client: Any) -> list[str]:
    return sorted(entry["id"] for entry in await client.client_list(_type="pubsub"))


async def pings(client: Any) -> int:
    return int((await client.info("commandstats")).get("cmdstat_ping", {}).get("calls", 0))


async def test_a_killed_redis_loses_nothing_and_what_ended_meanwhile_is_known(
    own_valkey: EmbeddedValkey, eventually: Eventually
) -> None:
    before, after = name(), name()
    async with listening(settings(own_valkey)) as (revocations, client):
        await publish_end(client, [before], 900)
        await eventually(lambda: before in revocations)
        await flushed(own_valkey, before, eventually)
        assert own_valkey.process
        own_valkey.process.kill()
        own_valkey.process.wait()
        with pytest.raises(RedisError):
            await publish_end(client, [name()], 900)
        assert before in revocations
        await asyncio.to_thread(own_valkey.start)
        await publish_end(client, [after], 900)  # maybe before anybody listens again
        await eventually(lambda: after in revocations, seconds=2)
        await restore(client, {})
    async with listening(settings(own_valkey)) as (fresh, _):
        assert before in fresh


async def flushed(server: EmbeddedValkey, session: str, eventually: Eventually) -> None:
    """Until the append-only file holds it."""
    folder = server._folder
    await eventually(
        lambda: any(session.encode() in path.read_bytes() for path in folder.rglob("*.aof")), seconds=5
    )


async def test_a_frozen_redis_is_noticed(
    own_valkey: EmbeddedValkey,
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
    log_lines: Callable[[], list[dict[str, Any]]],
    make_app: Callable[..., Any],
) -> None:
    make_app()  # configures logging
    monkeypatch.setattr(module, "SILENCE", 0.3)
    session = name()
    async with listening(settings(own_valkey)) as (revocations, client):
        assert own_valkey.process
        own_valkey.process.send_signal(signal.SIGSTOP)
        try:
            await eventually(lambda: any(line["event"] == "revocations_lost" for line in log_lines()))
        finally:
            own_valkey.process.send_signal(signal.SIGCONT)
        await publish_end(client, [session], 900)
        await eventually(lambda: session in revocations, seconds=2)


async def test_a_service_that_started_without_redis_judges_nobody_until_it_has_read_the_list(
    own_valkey: EmbeddedValkey, eventually: Eventually, complete_list: Callable[[EmbeddedValkey], None]
) -> None:
    ended = name()
    client = request_client(settings(own_valkey))
    await publish_end(client, [ended], 900)
    await client.aclose()
    await flushed(own_valkey, ended, eventually)
    own_valkey.stop()
    async with listening(settings(own_valkey)) as (revocations, _):
        with pytest.raises(RevocationsUnknown):
            _ = ended in revocations
        with pytest.raises(CheckFailed):
            await revocations.check.probe()
        await asyncio.to_thread(own_valkey.start)
        complete_list(own_valkey)
        await eventually(lambda: known(revocations, ended), seconds=3)
        assert await revocations.check.probe() == {"listening": True}


def known(revocations: Revocations, session: str) -> bool:
    """Whether the list was read, and the session stands in it."""
    try:
        return session in revocations
    except RevocationsUnknown:
        return False


@pytest.mark.parametrize("how", ["flushed", "another server", "only the list deleted"])
async def test_a_list_of_a_server_that_lost_its_memory_does_not_count(
    own_valkey: EmbeddedValkey, eventually: Eventually, how: str
) -> None:
    """A worker that starts now would accept every ended session; so it waits until the list is restored."""
    ended = {name(): time.time() + 900}
    client = request_client(settings(own_valkey))
    await restore(client, ended)
    await flushed(own_valkey, next(iter(ended)), eventually)
    if how == "flushed":
        await client.flushall()
    elif how == "only the list deleted":
        await client.delete(ENDED)
    else:
        await asyncio.to_thread(own_valkey.stop)
        await asyncio.to_thread(own_valkey.start)
    assert (await read(client))[1] is False
    async with listening(settings(own_valkey)) as (revocations, _):
        with pytest.raises(RevocationsUnknown):
            _ = "any" in revocations
        assert set(await restore(client, ended)) <= set(ended)
        await eventually(lambda: known(revocations, next(iter(ended))), seconds=2)
        assert "any" not in revocations
    await client.aclose()


async def test_what_is_restored_is_also_told_to_those_who_listen(
    own_valkey: EmbeddedValkey, eventually: Eventually
) -> None:
    missed, known_already = name(), name()
    async with listening(settings(own_valkey)) as (revocations, client):
        await publish_end(client, [known_already], 900)
        until = time.time() + 900
        assert await restore(client, {missed: until, known_already: until}) == [missed]
        await eventually(lambda: missed in revocations, seconds=1)
        assert await restore(client, {missed: until, known_already: until}) == []


@pytest.mark.parametrize("nonsense", [b"\xff", b"9999999999 \xff\xfe", b"\x00" * 100_000, b"nan x", b"inf x"])
async def test_no_message_ends_the_listener(
    redis_settings: dict[str, Any], eventually: Eventually, nonsense: bytes
) -> None:
    session = name()
    async with listening(RedisSettings(**redis_settings)) as (revocations, client):
        for _ in range(3):
            await client.publish(CHANNEL, nonsense)
        await publish_end(client, [session], 900)
        await eventually(lambda: session in revocations, seconds=1)
        assert await revocations.check.probe() == {"listening": True}


async def test_an_unforeseen_error_does_not_end_the_listener(
    redis_settings: dict[str, Any], eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, failed = name(), []

    def fail_once(self: Revocations, message: dict[str, Any]) -> None:
        if not failed:
            failed.append(message)
            raise ZeroDivisionError
        note(self, message)

    note = Revocations._note
    async with listening(RedisSettings(**redis_settings)) as (revocations, client):
        monkeypatch.setattr(Revocations, "_note", fail_once)
        await publish_end(client, [session], 900)
        await eventually(lambda: session in revocations, seconds=2)
    assert failed


async def test_the_list_is_read_after_the_subscription_is_confirmed(
    redis_settings: dict[str, Any], eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads first does not hear what ends between the two."""
    session, order = name(), []
    get_message, read_list = PubSub.get_message, module.read

    async def confirmed(self: PubSub, **options: Any) -> Any:
        message = await get_message(self, **options)
        order.append(message and message["type"])
        return message

    async def listed(redis: Any) -> Any:
        order.append("read")
        return await read_list(redis)

    monkeypatch.setattr(PubSub, "get_message", confirmed)
    monkeypatch.setattr(module, "read", listed)
    async with listening(RedisSettings(**redis_settings)) as (revocations, client):
        await publish_end(client, [session], 900)
        await eventually(lambda: session in revocations)
    assert order[:2] == ["subscribe", "read"]


async def test_readiness_knows_when_nobody_listens(
    own_valkey: EmbeddedValkey, eventually: Eventually, complete_list: Callable[[EmbeddedValkey], None]
) -> None:
    """It is shown, and does not count: the last known list is in force, and nothing else depends on Redis."""
    async with listening(settings(own_valkey)) as (revocations, _):
        assert await revocations.check.probe() == {"listening": True}
        await asyncio.to_thread(own_valkey.stop)

        async def listens() -> bool:
            return bool((await revocations.check.probe())["listening"])

        async def deaf() -> bool:
            return not await listens()

        await eventually(deaf, seconds=2)
        await asyncio.to_thread(own_valkey.start)
        complete_list(own_valkey)
        await eventually(listens, seconds=3)
