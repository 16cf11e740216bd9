"""What still works when Postgres or Redis is gone, and that all of it comes back."""

import asyncio
import contextlib
import secrets
import tempfile
import time
from pathlib import Path

import pytest

from shared.embedded import EmbeddedPostgres, EmbeddedValkey
from shared.migrations import upgrade
from shared.provision import provision
from shared.testing import served
from users.main import create_app
from users.migrations import FOLDER
from users.settings import UsersSettings


@contextlib.contextmanager
def started(server):
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def folder():
    with tempfile.TemporaryDirectory(prefix="facet-test-") as made:
        yield Path(made)


@pytest.fixture(scope="module")
def valkey(folder):
    with started(EmbeddedValkey(folder / "valkey", secrets.token_urlsafe(), folder / "valkey.log")) as server:
        yield server


@pytest.fixture(scope="module")
def postgres(folder):
    with started(
        EmbeddedPostgres(folder / "pg", secrets.token_urlsafe(), folder / "pg.log", durable=False)
    ) as server:
        yield server


@pytest.fixture
async def live(people, postgres, valkey, new_key, as_gateway):
    """The service on servers that may be stopped, and `people` pointed at it."""
    await provision(postgres.admin_url, {"users": "secret"})
    settings = UsersSettings(
        signing_key=new_key(),
        internal_secret=as_gateway["X-Internal-Secret"],
        database_url=postgres.url("users", "users"),
        database_password="secret",
        database_timeout=1.0,
        redis_url=valkey.url,
        redis_password=valkey.password,
    )
    await asyncio.to_thread(upgrade, FOLDER, settings)
    async with served(create_app(settings)) as opened:
        yield opened.client


async def until(condition):
    """Polls until it holds."""
    end = time.monotonic() + 20
    while not await condition():
        assert time.monotonic() < end, "it never came to hold"
        await asyncio.sleep(0.02)


async def ready(client):
    return (await client.get("/ready")).status_code == 200


async def sign_up(people, client):
    return await type(people)(client, None).sign_up()


async def test_it_is_ready_when_both_are_there(live):
    answer = await live.get("/ready")
    assert answer.status_code == 200
    assert set(answer.json()["checks"]) == {"postgres", "keys", "revocations"}


async def test_without_redis_only_what_ends_access_fails(live, people, valkey):
    person = await sign_up(people, live)
    await person.again()  # another session, which a new password would end
    key = await person.make_key()
    await asyncio.to_thread(valkey.stop)
    try:
        await _works_without_redis(live, people, person, key)
        await _fails_without_redis(person, key)
    finally:
        await asyncio.to_thread(valkey.start)
    await until(lambda: _logged_out(person))
    assert (await person.refresh()).status_code == 401


async def _logged_out(person):
    """Nothing had been acknowledged, so it can be done now."""
    return (await person.ask("POST", "/auth/logout")).status_code == 204


async def _works_without_redis(live, people, person, key):
    await until(lambda: _knows_that_it_is_deaf(live))
    assert (await live.get("/ready")).status_code == 200, "sign-ins and reads go on"
    other = await sign_up(people, live)
    assert (await other.ask("PATCH", "/users/me", json={"name": "Grace"})).status_code == 200
    assert (await person.exchange(key["key"])).status_code == 200
    assert (await live.get("/.well-known/jwks.json")).status_code == 200
    person.tokens = (await person.refresh()).json()


async def _knows_that_it_is_deaf(client):
    return (await client.get("/ready")).json()["checks"]["revocations"]["info"] == {"listening": False}


async def _fails_without_redis(person, key):
    new_password = {"password": "another password", "current_password": "correct horse battery staple"}
    for method, path, options in (
        ("POST", "/auth/logout", {}),
        ("PATCH", "/users/me", {"json": new_password}),
        ("DELETE", f"/users/me/api-keys/{key['id']}", {}),
        ("DELETE", "/users/me", {}),
    ):
        answer = await person.ask(method, path, **options)
        assert (answer.status_code, answer.json()["code"]) == (503, "redis_unavailable"), path
        assert answer.headers["Retry-After"] == "1"
    assert (await person.sign_in()).status_code == 200, "the password is still the old one"
    assert (await person.exchange(key["key"])).status_code == 200
    person.tokens = (await person.refresh()).json()


async def test_reuse_ends_the_session_even_without_redis(live, people, valkey):
    person = await sign_up(people, live)
    first = person.tokens["refresh_token"]
    for _ in range(2):  # within the grace the last but one would be answered
        person.tokens = (await person.refresh()).json()
    await asyncio.to_thread(valkey.stop)
    try:
        assert (await person.refresh(first)).status_code == 503, "its access token could not be revoked"
        assert (await person.refresh()).status_code == 401, "but there will be no new one"
    finally:
        await asyncio.to_thread(valkey.start)
    await until(lambda: ready(live))
    assert (await person.refresh(first)).status_code == 401, "and now it is revoked too"
    await until(lambda: _is_refused(person))


async def _is_refused(person):
    return (await person.ask("GET", "/users/me")).status_code == 401


async def test_without_postgres_it_says_503_and_comes_back(live, people, postgres):
    person = await sign_up(people, live)
    await asyncio.to_thread(postgres.stop)
    try:
        assert (await live.get("/ready")).json()["checks"]["postgres"]["ok"] is False
        assert (await live.get("/health")).status_code == 200
        assert (await live.get("/.well-known/jwks.json")).status_code == 200
        for answer in (
            await person.sign_in(),
            await person.refresh(),
            await person.ask("GET", "/users/me"),
            await person.exchange("fk_x"),
            await live.post("/users", json=people.account()),
        ):
            assert answer.status_code == 503, answer.text
            assert answer.json()["code"] == "database_unavailable"
    finally:
        await asyncio.to_thread(postgres.start)
    await until(lambda: ready(live))
    assert (await person.ask("GET", "/users/me")).status_code == 200
    assert (await person.refresh()).status_code == 200


async def test_it_starts_while_both_are_gone(people, settings, tmp_path):
    nowhere = {
        "database_url": "postgresql+asyncpg://users@/users?host=/nowhere",
        "redis_url": "unix:///nowhere",
    }
    async with served(create_app(settings.model_copy(update=nowhere))) as opened:
        assert (await opened.client.get("/health")).status_code == 200
        assert (await opened.client.get("/ready")).status_code == 503
        assert (await opened.client.post("/users", json=people.account())).status_code == 503
