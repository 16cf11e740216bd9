"""Rotating the signing key: nobody notices, unless the old one must not be trusted any more."""

import asyncio
import contextlib
from datetime import timedelta

import jwt
import pytest

from shared.database import Database
from shared.http import service_client
from shared.identity import RemoteKeys, TokenVerifier
from shared.identity.exceptions import KeysUnavailable, TokenInvalid
from shared.testing import served
from shared.testing.programs import started
from users import key_rotation
from users.clock import utc_now
from users.exceptions import RotationUnderWay
from users.key_ring import KeyRing
from users.key_rotation import KeyRotation
from users.main import create_app
from users.migrations import FOLDER
from users.store import Store
from users.tables import signing_keys

SHORT = timedelta(seconds=0.6)


@pytest.fixture
def own_settings(settings, make_database):
    """Of a database where no key was ever rotated. Its tokens live for a second."""
    made = make_database("users_rotating", FOLDER)
    return type(settings)(**{**settings.model_dump(), **made, "access_token_seconds": 1})


@pytest.fixture
async def own_store(own_settings):
    database = Database(own_settings, "tests")
    yield Store(database)
    async with database.transaction() as connection:
        await connection.execute(signing_keys.delete())
    await database.close()


@pytest.fixture
async def rotation(own_store, own_settings):
    """A rotation, and the ring of one worker."""
    made = KeyRotation(own_store, KeyRing(own_settings), own_settings)
    await made.read()
    return made


@contextlib.asynccontextmanager
async def verifier(live, max_age=0.1):
    """Another service, which fetches keys often."""
    async with service_client("", timeout=5) as client:
        keys = RemoteKeys(f"{live.url}/.well-known/jwks.json", client, max_age=max_age, cooldown=0.01)
        async with keys.renewing():
            yield TokenVerifier(keys, "facet", "facet")


def key_of(token):
    return jwt.get_unverified_header(token)["kid"]


async def test_a_rotation_refuses_no_valid_token_old_or_new(people, own_settings, rotation, monkeypatch):
    """Two workers sign and two services verify all the while, one of them started after the rotation."""
    monkeypatch.setattr(key_rotation, "LOOK", 0.05)
    monkeypatch.setattr(key_rotation, "MARGIN", timedelta(seconds=5.5))
    async with contextlib.AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(served(create_app(own_settings))) for _ in range(2)]
        services = [await stack.enter_async_context(verifier(workers[0]))]
        persons = [await type(people)(worker.client, None).sign_up() for worker in workers]
        old = key_of(persons[0].tokens["access_token"])
        made, until = await rotation.rotate(SHORT)
        services.append(await stack.enter_async_context(verifier(workers[1])))
        seen = {old}
        while made.key_id not in seen or utc_now() < made.signs_from + timedelta(seconds=1):
            for person in persons:
                person.tokens = (await person.refresh()).json()
                token = person.tokens["access_token"]
                seen.add(key_of(token))
                for service in services:
                    assert (await service.verify(token)).id == person.id
                assert (await person.ask("GET", "/users/me")).status_code == 200
                assert utc_now() < until
        assert seen == {old, made.key_id}
        published = (await workers[0].client.get("/.well-known/jwks.json")).json()["keys"]
        assert {key["kid"] for key in published} == seen, "the old key's tokens are still valid"


async def test_a_key_is_published_before_it_signs_and_old_ones_until_their_tokens_have_ended(
    rotation, own_store, own_settings, monkeypatch
):
    old, _ = rotation._ring.signing()
    made, until = await rotation.rotate(timedelta(minutes=2))
    await rotation.read()
    moments = [
        (utc_now(), old, {old, made.key_id}),
        (made.signs_from - timedelta(seconds=1), old, {old, made.key_id}),
        (made.signs_from, made.key_id, {old, made.key_id}),
        (made.signs_from + timedelta(seconds=1 + 5), made.key_id, {old, made.key_id}),
        (until - timedelta(seconds=1), made.key_id, {old, made.key_id}),
        (until, made.key_id, {made.key_id}),
        (until + timedelta(days=900), made.key_id, {made.key_id}),
    ]
    fresh = KeyRing(own_settings)
    async with own_store.transaction() as tx:
        fresh.update(await tx.signing_keys.all())
    for moment, signing, published in moments:
        monkeypatch.setattr("users.key_ring.utc_now", lambda moment=moment: moment)
        for ring in (rotation._ring, fresh):
            assert ring.signing()[0] == signing
            assert {key["kid"] for key in ring.jwks["keys"]} == published


async def test_it_can_be_rotated_again_and_again(rotation, own_store):
    keys = [rotation._ring.signing()[0]]
    for _ in range(3):
        made, _ = await rotation.rotate(timedelta(0))
        await rotation.read()
        keys.append(rotation._ring.signing()[0])
        assert keys[-1] == made.key_id
    assert len(set(keys)) == 4
    assert {key["kid"] for key in rotation._ring.jwks["keys"]} == set(keys)


async def test_two_rotations_at_once_make_one_new_key(rotation):
    done = await asyncio.gather(
        *(rotation.rotate(timedelta(minutes=2)) for _ in range(4)), return_exceptions=True
    )
    assert [type(one) for one in done].count(RotationUnderWay) == 3


async def test_a_key_that_others_may_know_is_refused_at_once(
    people, own_settings, rotation, monkeypatch, eventually
):
    """Kept tokens too; and with a refresh token everybody goes on."""
    monkeypatch.setattr(key_rotation, "LOOK", 0.05)
    async with served(create_app(own_settings)) as live, verifier(live) as service:
        person = await type(people)(live.client, None).sign_up()
        token = person.tokens["access_token"]
        await service.verify(token)
        await rotation.rotate(at_once=True)

        async def refused():
            try:
                await service.verify(token)
            except TokenInvalid:
                return True
            return False

        async def refused_here():
            return (await person.ask("GET", "/users/me")).status_code

        await eventually(refused, True)
        await eventually(refused_here, 401)
        person.tokens = (await person.refresh()).json()
        assert (await person.ask("GET", "/users/me")).status_code == 200
        assert (await service.verify(person.tokens["access_token"])).id == person.id


async def test_a_database_alone_opens_no_key(rotation, own_store, own_settings, new_key):
    made, _ = await rotation.rotate(timedelta(0))
    assert b"PRIVATE" not in made.sealed
    assert "PRIVATE" not in made.public
    stolen = KeyRing(
        own_settings.model_copy(update={"signing_key": type(own_settings.signing_key)(new_key())})
    )
    async with own_store.transaction() as tx:
        stolen.update(await tx.signing_keys.all())
    assert stolen.signing()[0] != made.key_id, "the new file's key signs, and the old ones verify"
    assert stolen.has(made.key_id)


async def test_until_the_stored_keys_were_read_nobody_is_told_half_of_them(settings):
    """A worker that starts without Postgres would otherwise publish a set that lacks the current key."""
    ring = KeyRing(settings)
    for ask in (ring.signing, lambda: ring.jwks):
        with pytest.raises(KeysUnavailable):
            ask()
    with pytest.raises(KeysUnavailable):
        await ring.find("any")
    nowhere = {"database_url": "postgresql+asyncpg://users@/users?host=/nowhere"}
    async with served(create_app(settings.model_copy(update=nowhere))) as live:
        answer = await live.client.get("/.well-known/jwks.json")
        assert (answer.status_code, answer.json()["code"]) == (503, "keys_unavailable")
        assert (await live.client.get("/ready")).json()["checks"]["keys"]["ok"] is False


async def test_the_command_rotates_and_says_when(environment, own_settings, own_store):
    own = {
        **environment,
        "USERS_DATABASE_URL": own_settings.database_url,
        "USERS_DATABASE_PASSWORD": own_settings.database_password.get_secret_value(),
    }

    async def run(*arguments):
        command = await started("-m", "users.rotate", *arguments, environment=own, apart=True)
        out, err = await command.communicate()
        return command.returncode, out.decode(), err.decode()

    code, out, err = await run()
    assert (code, err) == (0, "")
    async with own_store.transaction() as tx:
        made = (await tx.signing_keys.all())[-1]
    assert f"key {made.key_id} is published now and signs from {made.signs_from:%H:%M:%S} UTC" in out
    assert (await run())[0::2] == (1, "An earlier new key does not sign yet: try again in a few minutes\n")
    assert (await run("--at-once"))[0] == 0
