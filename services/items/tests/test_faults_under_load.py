"""Postgres or Redis stops, gets slow or is cut off while people use the service, and comes back."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from items.main import create_app
from items.settings import ItemsSettings
from shared.database import Database
from shared.testing import TestIdentity, served
from shared.testing.faults import FAULTS, asked_all_the_time, idle_only
from shared.testing.link import Link, link, postgres_socket

Eventually = Callable[..., Awaitable[Any]]
NEW = {"name": "meanwhile", "price": "1"}
POOL = 5


@pytest_asyncio.fixture(loop_scope="session")
async def postgres(settings: ItemsSettings) -> AsyncIterator[Link]:
    async with link(postgres_socket(settings.database_url)) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def redis(settings: ItemsSettings) -> AsyncIterator[Link]:
    async with link(Path(settings.redis_url.removeprefix("unix://"))) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def client(
    settings: ItemsSettings, postgres: Link, redis: Link, identity: TestIdentity
) -> AsyncIterator[httpx2.AsyncClient]:
    """Of a service that reaches Postgres and Redis over links."""
    changed = {
        "service": "items-faults",
        "database_url": f"postgresql+asyncpg://items@127.0.0.1:{postgres.port}/items",
        "database_pool_size": POOL,
        "database_timeout": 0.5,
        "database_command_timeout": 3.0,
        "redis_url": f"redis://127.0.0.1:{redis.port}/0",
    }
    async with served(create_app(settings.model_copy(update=changed))) as live:
        live.client.headers.update(identity.headers(1))
        yield live.client


@pytest.mark.parametrize("fault", FAULTS)
async def test_without_postgres_what_needs_it_is_a_clean_503_and_comes_back(
    client: httpx2.AsyncClient, postgres: Link, database: Database, eventually: Eventually, fault: str
) -> None:
    path = (await client.post("/items", json=NEW)).headers["Location"]
    async with asked_all_the_time(
        lambda: client.get(path), lambda: client.post("/items", json=NEW), lambda: client.get("/health")
    ) as (reads, writes, others):
        await FAULTS[fault](postgres)
        for asked in (reads, writes, others):
            asked.forget()
            await eventually(lambda asked=asked: asked.enough, seconds=60)
        for asked, good in ((reads, 200), (writes, 201)):
            assert asked.unanswered == []
            assert set(asked.statuses) <= {good, 503}
            assert 503 in asked.statuses
            assert asked.codes == {"database_unavailable"}
        assert (others.unanswered, set(others.statuses)) == ([], {200}), "what needs no database goes on"
        await postgres.heal()
        await eventually(lambda: good_again(client, path), seconds=30)
    await eventually(lambda: idle_only(database, "items-faults", POOL))


async def good_again(client: httpx2.AsyncClient, path: str) -> bool:
    """As many at once as there are connections: one that was lost for good would be missed."""
    answers = await asyncio.gather(*(client.get(path) for _ in range(POOL)))
    return {answer.status_code for answer in answers} == {200}


@pytest.mark.parametrize("fault", FAULTS)
async def test_without_redis_nothing_changes_for_callers(
    client: httpx2.AsyncClient, redis: Link, eventually: Eventually, fault: str
) -> None:
    path = (await client.post("/items", json=NEW)).headers["Location"]
    async with asked_all_the_time(lambda: client.get(path), lambda: client.post("/items", json=NEW)) as seen:
        await FAULTS[fault](redis)
        for asked, good in zip(seen, (200, 201), strict=True):
            asked.forget()
            await eventually(lambda asked=asked: asked.enough, seconds=60)
            assert (asked.unanswered, set(asked.statuses)) == ([], {good})
        await redis.heal()
    await eventually(lambda: listens(client))


async def listens(client: httpx2.AsyncClient) -> bool:
    """It hears of ended sessions again."""
    check = (await client.get("/ready")).json()["checks"]["revocations"]
    return bool(check["info"]["listening"])
