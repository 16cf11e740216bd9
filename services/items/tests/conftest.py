"""The service really served, on a database of its own, and callers."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio
import sqlalchemy as sa
from redis.asyncio import Redis

import items
from items.domain import Item
from items.factory import CHANGED
from items.main import create_app
from items.settings import ItemsSettings
from items.tables import items as table
from shared.database import Database
from shared.read_cache import Changes, ReadCache
from shared.redis import request_client
from shared.testing import LiveApp, TestIdentity, http_client, served

from .upstream import Upstream

MIGRATIONS = Path(items.__file__).parent / "migrations"
ALICE, BOB, ADMIN = 1, 2, 99
PATIENT = 20.0  # seconds for which ml-predict is waited for

Body = dict[str, Any]
Create = Callable[..., Awaitable[Body]]


@pytest.fixture(scope="session")
def settings(
    make_database: Callable[..., Body], redis_settings: Body, identity: TestIdentity
) -> ItemsSettings:
    database = make_database("items", MIGRATIONS)
    return ItemsSettings(**database, **redis_settings, jwks_url=identity.jwks_url)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def database(settings: ItemsSettings) -> AsyncIterator[Database]:
    opened = Database(settings, "items-tests")
    yield opened
    await opened.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def redis(settings: ItemsSettings) -> AsyncIterator[Redis]:
    async with request_client(settings) as opened:
        yield opened


@pytest.fixture(scope="session", autouse=True)
def large_totals_are_forgotten() -> Iterator[None]:
    """Tests empty the table, and the next total is of what is there then."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shared.large_totals.SECONDS", 0.0)
        yield


@pytest.fixture(scope="session")
def cache(redis: Redis) -> ReadCache[Item]:
    """It does not listen, so it keeps nothing."""
    return ReadCache(Changes(redis, CHANGED), redis, size=1, seconds=1)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def live(settings: ItemsSettings) -> AsyncIterator[LiveApp]:
    async with served(create_app(settings)) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def empty(database: Database) -> None:
    """No listings but those that the test makes."""
    async with database.transaction() as connection:
        await connection.execute(sa.delete(table))


def client_of(live: LiveApp, identity: TestIdentity, caller: int, **claims: Any) -> httpx2.AsyncClient:
    return http_client(live.url, headers=identity.headers(caller, **claims))


@pytest_asyncio.fixture(loop_scope="session")
async def alice(live: LiveApp, identity: TestIdentity) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(live, identity, ALICE) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def bob(live: LiveApp, identity: TestIdentity) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(live, identity, BOB) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def admin(live: LiveApp, identity: TestIdentity) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(live, identity, ADMIN, admin=True) as client:
        yield client


@pytest.fixture
def create(alice: httpx2.AsyncClient) -> Create:
    """`await create(price="5")`: a listing of Alice's."""

    async def made(**changes: Any) -> Body:
        answer = await alice.post("/items", json={"name": "A stone", "price": "100", **changes})
        assert answer.status_code == 201, answer.text
        item: Body = answer.json()
        return item

    return made


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage() -> AsyncIterator[Upstream]:
    played = Upstream()
    async with served(played.app) as live:
        played.url = live.url
        yield played
        played.held.set()


@pytest.fixture
def upstream(stage: Upstream) -> Upstream:
    """Playing well, asked by nobody yet."""
    stage.begin()
    return stage


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def market(settings: ItemsSettings, stage: Upstream) -> AsyncIterator[LiveApp]:
    """The service with one database connection and a patient appraiser."""
    changes = {"ml_predict_url": stage.url, "appraisal_timeout": PATIENT, "database_pool_size": 2}
    async with served(create_app(settings.model_copy(update=changes))) as live:
        yield live
