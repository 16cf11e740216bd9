"""Searches that take too long: Postgres really takes long over one listing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa

from items.main import create_app
from items.settings import ItemsSettings
from shared.database import Database
from shared.testing import served

from .conftest import MIGRATIONS, Body

SLOW = """
ALTER TABLE items FORCE ROW LEVEL SECURITY;
ALTER TABLE items ENABLE ROW LEVEL SECURITY;
CREATE POLICY slow ON items USING (name <> 'slow' OR pg_sleep(60) IS NOT NULL);
"""
ADD = """
INSERT INTO items (name, description, price, currency, owner_id) VALUES (:name, '', 1, 'USD', 1) RETURNING id
"""
CANCEL = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"


@pytest.fixture(scope="module")
def given(make_database: Callable[..., Body], redis_settings: Body, identity: Any) -> Body:
    database = make_database("items_slow", MIGRATIONS)
    return {**database, **redis_settings, "jwks_url": identity.jwks_url}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def plain(given: Body) -> AsyncIterator[tuple[Database, int]]:
    """The database, and a listing that is read as quickly as ever."""
    database = Database(ItemsSettings(**given), "items-tests")
    item_id = await database.autocommit.scalar(sa.text(ADD), {"name": "plain"})
    await database.autocommit.scalar(sa.text(ADD), {"name": "slow"})
    async with database.transaction() as connection:
        for statement in SLOW.strip().split("\n"):
            await connection.execute(sa.text(statement))
    yield database, item_id
    await database.close()


@pytest.mark.parametrize("query", ["", "?q=slow", "?skip=1", "?sort=carat&currency=USD"])
async def test_a_search_that_takes_too_long_is_503_and_says_so(
    given: Body, plain: tuple[Database, int], query: str
) -> None:
    async with served(create_app(ItemsSettings(**given, search_timeout=0.05))) as live:
        answers = [await live.client.get(f"/items{query}") for _ in range(2)]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(503, "search_timeout")}
    assert answers[0].headers["Retry-After"] == "1"


async def test_more_slow_searches_than_connections_hold_up_no_other_request(
    given: Body, plain: tuple[Database, int], eventually: Callable[..., Awaitable[Any]]
) -> None:
    database, item_id = plain

    async def sleeping() -> int:
        found = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        return int(await database.autocommit.scalar(sa.text(found)))

    settings = ItemsSettings(**given, search_timeout=30, database_timeout=30)
    async with served(create_app(settings)) as live:
        searches = [asyncio.ensure_future(live.client.get("/items")) for _ in range(9)]
        await eventually(sleeping, settings.database_pool_size // 2)
        reads = await asyncio.gather(*(live.client.get(f"/items/{item_id}") for _ in range(9)))
        assert {answer.status_code for answer in reads} == {200}
        assert not any(search.done() for search in searches)

        async def ended() -> bool:
            await database.autocommit.execute(sa.text(CANCEL))
            return all(search.done() for search in searches)

        await eventually(ended)
        assert {search.result().status_code for search in searches} == {503}
