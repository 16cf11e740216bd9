"""The service really served, on a database and a Valkey of its own, and people who use it."""

import asyncio
import os
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from redis.asyncio import Redis
from sqlalchemy import Table, select, text, update

from shared.database import Database
from shared.redis import request_client
from shared.testing import served
from users.administration import AdminService
from users.argon2 import MEMORY_KIB
from users.factory import Factory
from users.main import create_app
from users.migrations import FOLDER
from users.settings import UsersSettings
from users.store import Store

AS_GATEWAY = {"X-Internal-Secret": "known-to-users-and-gateway"}
PASSWORD = "correct horse battery staple"


@dataclass
class Person:
    """Somebody with an account, and one session or API key of theirs."""

    client: httpx2.AsyncClient
    id: int
    email: str
    tokens: dict[str, Any] = field(default_factory=dict)

    async def ask(
        self, method: str, path: str, headers: dict[str, str] | None = None, **options: Any
    ) -> httpx2.Response:
        known = {"Authorization": f"Bearer {self.tokens['access_token']}", **(headers or {})}
        return await self.client.request(method, path, headers=known, **options)

    async def sign_in(self, password: str = PASSWORD) -> httpx2.Response:
        return await self.client.post("/auth/token", data={"username": self.email, "password": password})

    async def refresh(self, token: str | None = None) -> httpx2.Response:
        given = token or self.tokens["refresh_token"]
        return await self.client.post("/auth/refresh", json={"refresh_token": given})

    async def make_key(self, **wanted: Any) -> dict[str, Any]:
        answer = await self.ask("POST", "/users/me/api-keys", json={"name": "script", **wanted})
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def exchange(self, key: str) -> httpx2.Response:
        return await self.client.post("/internal/api-keys/exchange", headers={"X-API-Key": key, **AS_GATEWAY})

    async def again(self) -> "Person":
        """The same person with another session."""
        return self._with(await self.sign_in())

    async def with_key(self) -> "Person":
        """The same person behind a token that stands for an API key."""
        return self._with(await self.exchange((await self.make_key())["key"]))

    def _with(self, answer: httpx2.Response) -> "Person":
        assert answer.status_code == 200, answer.text
        return Person(self.client, self.id, self.email, answer.json())


@pytest.fixture(scope="session")
def as_gateway() -> dict[str, str]:
    """The header that only the gateway can send."""
    return AS_GATEWAY


class People:
    """Makes them."""

    def __init__(self, client: httpx2.AsyncClient, admins: AdminService) -> None:
        self.client = client
        self._admins = admins

    def account(self, **changed: Any) -> dict[str, Any]:
        """What a registration says."""
        return {
            "email": f"{uuid.uuid4().hex}@example.com",
            "name": "Ada",
            "password": PASSWORD,
            **changed,
        }

    async def sign_up(self, **changed: Any) -> Person:
        answer = await self.client.post("/users", json=self.account(**changed))
        assert answer.status_code == 201, answer.text
        return await Person(self.client, answer.json()["id"], answer.json()["email"]).again()

    async def admin(self) -> Person:
        person = await self.sign_up()
        await self._admins.set_admin(person.email, admin=True)
        return await person.again()


@pytest.fixture(scope="session", autouse=True)
def cheap_hashes() -> Iterator[None]:
    """Hashes of a twentieth of the memory: the real ones would be half of what these tests compute."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("users.passwords.MEMORY_KIB", 1024)
        yield


@pytest.fixture
def real_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what is made in the test itself."""
    monkeypatch.setattr("users.passwords.MEMORY_KIB", MEMORY_KIB)


@pytest.fixture(scope="session")
def new_key() -> Callable[[], str]:
    """A new signing key, PEM."""

    def make() -> str:
        private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        key = ec.generate_private_key(ec.SECP256R1())
        return key.private_bytes(serialization.Encoding.PEM, *private).decode()

    return make


@pytest.fixture(scope="session")
def settings(
    make_database: Callable[..., dict[str, Any]],
    redis_settings: dict[str, Any],
    new_key: Callable[[], str],
) -> UsersSettings:
    database = make_database("users", FOLDER)
    return UsersSettings(
        signing_key=new_key(),
        internal_secret=AS_GATEWAY["X-Internal-Secret"],
        hash_threads=2,
        pair_attempts=10_000,  # all tests come from one address
        address_attempts=10_000,
        **database,
        **redis_settings,
    )


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def client(settings: UsersSettings) -> AsyncIterator[httpx2.AsyncClient]:
    """Nobody in particular."""
    async with served(create_app(settings)) as live:
        yield live.client


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def database(settings: UsersSettings) -> AsyncIterator[Database]:
    """To look behind the service's back."""
    opened = Database(settings, "tests")
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
def store(factory: Factory) -> Store:
    return factory.store


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def redis(settings: UsersSettings) -> AsyncIterator[Redis]:
    async with request_client(settings) as opened:
        yield opened


@pytest.fixture(scope="session")
def held_up(database: Database) -> Callable[..., Awaitable[list[Any]]]:
    """Runs coroutines against a row that is locked until all of them wait, so that they really race."""

    async def run(table: Table, key: Any, *racing: Awaitable[Any]) -> list[Any]:
        async with database.transaction() as connection:
            await connection.execute(select(table).where(table.c.id == key).with_for_update())
            tasks = [asyncio.ensure_future(one) for one in racing]
            until = time.monotonic() + 10
            while await waiting(database) < len(tasks):
                assert time.monotonic() < until, "they never came to wait"
                await asyncio.sleep(0.005)
        return await asyncio.gather(*tasks)

    return run


@pytest.fixture(scope="session")
def alter(database: Database) -> Callable[..., Awaitable[None]]:
    """`await alter(users, 7, is_active=False)`: changes a row behind the service's back."""

    async def change(table: Table, key: Any, **values: Any) -> None:
        async with database.transaction() as connection:
            await connection.execute(update(table).where(table.c.id == key).values(values))

    return change


WAITING = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


async def waiting(database: Database) -> int:
    """How many wait for a lock; asked in a transaction of its own, for one sees the same until it ends."""
    async with database.transaction() as connection:
        return int(await connection.scalar(text(WAITING)))


@pytest.fixture(scope="session")
def factory(settings: UsersSettings, database: Database, redis: Redis) -> Factory:
    """Its ring knows the first key only."""
    made = Factory(settings, database, redis)
    made.ring.update([])
    return made


@pytest.fixture(scope="session")
def admins(factory: Factory) -> AdminService:
    return factory.administration()


@pytest.fixture(scope="session")
def people(client: httpx2.AsyncClient, admins: AdminService) -> People:
    return People(client, admins)


@pytest_asyncio.fixture(loop_scope="session")
async def person(people: People) -> Person:
    return await people.sign_up()


@pytest_asyncio.fixture(loop_scope="session")
async def stranger(people: People) -> Person:
    return await people.sign_up()


@pytest_asyncio.fixture(loop_scope="session")
async def admin(people: People) -> Person:
    return await people.admin()


@pytest.fixture(scope="session")
def refused() -> Callable[[Person], Awaitable[None]]:
    """Returns once the person's access token is refused: the news of an ended session comes by push."""

    async def wait(person: Person) -> None:
        until = time.monotonic() + 5
        while (answer := await person.ask("GET", "/users/me")).status_code != 401:
            assert time.monotonic() < until, "the access token is still good"
            await asyncio.sleep(0.005)
        assert answer.json()["code"] == "token_invalid"

    return wait


@pytest.fixture(scope="session")
def clean_environment() -> dict[str, str]:
    """Ours, without what would configure a service."""
    return {name: value for name, value in os.environ.items() if not name.startswith("USERS_")}


@pytest.fixture(scope="session")
def environment(settings: UsersSettings, clean_environment: dict[str, str]) -> dict[str, str]:
    """For a process of its own."""
    return {
        **clean_environment,
        "USERS_DATABASE_URL": settings.database_url,
        "USERS_DATABASE_PASSWORD": settings.database_password.get_secret_value(),
        "USERS_REDIS_URL": settings.redis_url,
        "USERS_REDIS_PASSWORD": settings.redis_password.get_secret_value(),
        "USERS_INTERNAL_SECRET": settings.internal_secret.get_secret_value(),
        "USERS_SIGNING_KEY": settings.signing_key.get_secret_value(),
    }
