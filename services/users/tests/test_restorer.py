"""Redis may forget which sessions have ended; Postgres does not, and no worker accepts one of them."""

import asyncio
import contextlib
import secrets
import signal
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest

from shared.embedded import EmbeddedValkey
from shared.identity.ended_sessions import ENDED, is_complete
from shared.identity.exceptions import RevocationsUnknown
from shared.identity.revocations import Revocations
from shared.redis import request_client, subscriber_client
from shared.testing import served
from users import restorer
from users.clock import utc_now
from users.main import create_app


@pytest.fixture
def valkey():
    """One that may lose its memory."""
    with tempfile.TemporaryDirectory(prefix="facet-test-") as folder:
        server = EmbeddedValkey(Path(folder) / "data", secrets.token_urlsafe(), Path(folder) / "log")
        server.start()
        yield server
        server.stop()


@pytest.fixture
def own_settings(settings, valkey):
    changed = {"redis_url": valkey.url, "redis_password": type(settings.redis_password)(valkey.password)}
    return settings.model_copy(update=changed)


@pytest.fixture
async def own_people(people, own_settings):
    """People of a service that has this Valkey."""
    async with served(create_app(own_settings)) as live:
        yield type(people)(live.client, None)


@contextlib.asynccontextmanager
async def worker(settings):
    """What any service knows of ended sessions, from the moment it starts."""
    async with subscriber_client(settings) as client, Revocations(client).listening() as revocations:
        yield revocations


def judged(revocations, session):
    """True, False, or None while nobody can say: then a service answers 503 and accepts nothing."""
    try:
        return session in revocations
    except RevocationsUnknown:
        return None


def session_of(person):
    import jwt  # noqa: PLC0415 - only here

    return jwt.decode(person.tokens["access_token"], options={"verify_signature": False})["sid"]


async def flush(valkey, settings):
    async with request_client(settings) as redis:
        await redis.flushall()


async def restart_empty(valkey, settings):
    await asyncio.to_thread(valkey.stop)
    for path in sorted(valkey._folder.rglob("*"), reverse=True):
        if path.is_file() and ".conf" not in path.name:
            path.unlink()
    await asyncio.to_thread(valkey.start)


async def pause(valkey, settings):
    valkey.process.send_signal(signal.SIGSTOP)
    await asyncio.sleep(1.5)  # longer than a start waits and than Redis is given: it is the fault itself
    valkey.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("fault", [flush, restart_empty, pause])
async def test_no_worker_old_or_new_accepts_what_has_ended(
    own_people, own_settings, valkey, eventually, fault
):
    out, gone, stays = [await own_people.sign_up() for _ in range(3)]
    key = await gone.make_key()
    assert (await out.ask("POST", "/auth/logout")).status_code == 204
    assert (await gone.ask("DELETE", "/users/me")).status_code == 204
    ended = [session_of(out), session_of(gone), f"key-{key['id']}"]
    async with worker(own_settings) as old:
        assert all(one in old for one in ended)
        running = asyncio.create_task(fault(valkey, own_settings))
        for _ in range(3):  # some start while the fault lasts, some after it
            async with worker(own_settings) as new:
                assert False not in {judged(new, one) for one in ended}
                await eventually(lambda new=new: judged(new, ended[0]), True)
                assert all(one in new for one in ended)
                assert session_of(stays) not in new
        await running
        assert all(one in old for one in ended)
        assert session_of(stays) not in old
        assert (await stays.ask("GET", "/users/me")).status_code == 200
        assert (await out.ask("GET", "/users/me")).status_code == 401


async def test_the_list_is_restored_soon_after_it_was_lost(own_people, own_settings, valkey, eventually):
    person = await own_people.sign_up()
    await person.ask("POST", "/auth/logout")
    async with request_client(own_settings) as redis:
        await redis.flushall()
        assert not await is_complete(redis)
        await eventually(lambda: is_complete(redis), True)
        assert await redis.zscore(ENDED, session_of(person)) is not None


async def test_what_was_committed_and_not_announced_follows(
    own_people, own_settings, store, database, monkeypatch, eventually
):
    """As when the process dies between the two, or Redis does."""
    monkeypatch.setattr(restorer, "INTERVAL", 0.0)
    monkeypatch.setattr(restorer, "LOOK", 0.05)
    person = await own_people.sign_up()
    async with worker(own_settings) as known:
        assert session_of(person) not in known
        async with store.transaction() as tx:
            far = restorer.utc_now() + restorer.KEEP
            await tx.ended.add(person.id, [session_of(person)], far)
        await eventually(lambda: session_of(person) in known, True)


async def test_a_session_that_ends_again_is_not_known_for_a_shorter_time(store, person):
    """Its tokens live as long as before, also if the clock was set back or lifetimes were made shorter."""
    now = utc_now()
    far = now + timedelta(hours=1)
    async with store.transaction() as tx:
        for until in (far, now + timedelta(minutes=1), far - timedelta(minutes=1)):
            await tx.ended.add(person.id, ["twice"], until)
        assert await tx.ended.of_user(person.id, now) == {"twice": far.timestamp()}


async def test_what_is_over_is_forgotten(store, redis, person):
    now = restorer.utc_now()
    async with store.transaction() as tx:
        await tx.ended.add(person.id, ["long-over"], now - 2 * restorer.KEEP)
        await tx.ended.add(person.id, ["just-over"], now - restorer.KEEP / 100)
    await restorer.Restorer(store, redis).restore()
    async with store.transaction() as tx:
        kept = await tx.ended.of_user(person.id, now - 3 * restorer.KEEP)
    assert set(kept) == {"just-over"}
    assert await redis.zscore(ENDED, "just-over") is None
