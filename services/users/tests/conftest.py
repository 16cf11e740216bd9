"""The service really served, on a database and a Valkey of its own, and people who use it."""

import secrets
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from redis.asyncio import Redis

from shared.cache import request_client
from shared.database import Database
from shared.testing import served
from users.administration import AdminService
from users.main import create_app
from users.migrations import FOLDER
from users.repository import Store
from users.resources import make_revoker
from users.settings import UsersSettings

PASSWORD = "correct horse battery staple"


def new_key() -> str:
    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        .decode()
    )


@dataclass
class Person:
    """Somebody with an account, signed in."""

    client: httpx2.AsyncClient
    id: int
    email: str
    tokens: dict[str, Any]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens['access_token']}"}

    async def ask(self, method: str, path: str, **options: Any) -> httpx2.Response:
        return await self.client.request(method, path, headers=self.headers, **options)

    async def sign_in(self, password: str = PASSWORD) -> httpx2.Response:
        return await self.client.post("/auth/token", data={"username": self.email, "password": password})

    async def again(self) -> "Person":
        """The same person with a second session."""
        answer = await self.sign_in()
        assert answer.status_code == 200, answer.text
        return Person(self.client, self.id, self.email, answer.json())

    async def refresh(self, token: str | None = None) -> httpx2.Response:
        given = token or self.tokens["refresh_token"]
        return await self.client.post("/auth/refresh", json={"refresh_token": given})

    async def make_key(self, **wanted: Any) -> dict[str, Any]:
        answer = await self.ask("POST", "/users/me/api-keys", json={"name": "script", **wanted})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def with_key(self) -> "Person":
        """The same person behind a token that stands for an API key."""
        answer = await exchange(self.client, (await self.make_key())["key"])
        assert answer.status_code == 200, answer.text
        return Person(self.client, self.id, self.email, answer.json())


async def exchange(client: httpx2.AsyncClient, key: str) -> httpx2.Response:
    return await client.post("/internal/api-keys/exchange", headers={"X-API-Key": key})


def new_email() -> str:
    return f"{uuid.uuid4().hex}@example.com"


async def signed_up(client: httpx2.AsyncClient) -> Person:
    email = new_email()
    body = {"email": email, "name": "Ada", "password": PASSWORD}
    answer = await client.post("/users", json=body)
    assert answer.status_code == 201, answer.text
    return await Person(client, answer.json()["id"], email, {}).again()


def account(**changed: Any) -> dict[str, Any]:
    return {"email": new_email(), "name": "Ada", "password": PASSWORD, **changed}


@pytest.fixture(scope="session")
def settings(
    make_database: Callable[..., dict[str, Any]], redis_settings: dict[str, Any]
) -> UsersSettings:
    return UsersSettings(
        signing_key=new_key(), hash_threads=2, **make_database("users", FOLDER), **redis_settings
    )


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def client(settings: UsersSettings) -> AsyncIterator[httpx2.AsyncClient]:
    async with served(create_app(settings)) as live:
        yield live.client


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def database(settings: UsersSettings) -> AsyncIterator[Database]:
    opened = Database(settings, "tests")
    yield opened
    await opened.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def redis(settings: UsersSettings) -> AsyncIterator[Redis]:
    async with request_client(settings) as opened:
        yield opened


@pytest.fixture
def store(database: Database) -> Store:
    return Store(database)


@pytest.fixture
async def person(client: httpx2.AsyncClient) -> Person:
    return await signed_up(client)


@pytest.fixture
async def stranger(client: httpx2.AsyncClient) -> Person:
    return await signed_up(client)


@pytest.fixture
def make_admin(
    client: httpx2.AsyncClient, store: Store, redis: Redis, settings: UsersSettings
) -> Callable[[], Awaitable[Person]]:
    async def make() -> Person:
        made = await signed_up(client)
        await AdminService(store, make_revoker(redis, settings)).set_admin(made.email, admin=True)
        return await made.again()

    return make


@pytest.fixture
async def admin(make_admin: Callable[[], Awaitable[Person]]) -> Person:
    return await make_admin()
