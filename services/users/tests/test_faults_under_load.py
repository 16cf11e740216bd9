"""Postgres or Redis stops, gets slow or is cut off while people use the service, and comes back."""

import asyncio
from pathlib import Path

import pytest
import pytest_asyncio

from shared.testing import served
from shared.testing.faults import FAULTS, asked_all_the_time, idle_only
from shared.testing.link import link, postgres_socket
from users.main import create_app

POOL = 5


@pytest_asyncio.fixture(loop_scope="session")
async def postgres_link(settings):
    async with link(postgres_socket(settings.database_url)) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def redis_link(settings):
    async with link(Path(settings.redis_url.removeprefix("unix://"))) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def faulty(settings, postgres_link, redis_link, people, eventually):
    """Somebody signed in to a service that reaches Postgres and Redis over links."""
    changed = {
        "service": "users-faults",
        "database_url": f"postgresql+asyncpg://users@127.0.0.1:{postgres_link.port}/users",
        "database_pool_size": POOL,
        "database_timeout": 0.5,
        "database_command_timeout": 3.0,
        "redis_url": f"redis://127.0.0.1:{redis_link.port}/0",
    }
    async with served(create_app(settings.model_copy(update=changed))) as live:

        async def ready() -> bool:
            return (await live.client.get("/ready")).is_success

        await eventually(ready, seconds=30)
        yield await type(people)(live.client, None).sign_up()


@pytest.mark.parametrize("fault", FAULTS)
async def test_without_postgres_what_needs_it_is_a_clean_503_and_comes_back(
    faulty, postgres_link, database, eventually, fault
):
    async with asked_all_the_time(
        lambda: faulty.ask("GET", "/users/me"),
        lambda: faulty.ask("PATCH", "/users/me", json={"name": "Grace"}),
        lambda: faulty.client.get("/.well-known/jwks.json"),
    ) as (reads, writes, others):
        await FAULTS[fault](postgres_link)
        for asked in (reads, writes, others):
            asked.forget()
            await eventually(lambda asked=asked: asked.enough, seconds=60)
        for asked in (reads, writes):
            assert asked.unanswered == []
            assert set(asked.statuses) <= {200, 503}
            assert 503 in asked.statuses
            assert asked.codes == {"database_unavailable"}
        assert (others.unanswered, set(others.statuses)) == ([], {200}), "what needs no database goes on"
        await postgres_link.heal()
        await eventually(lambda: good_again(faulty), seconds=30)
    await eventually(lambda: idle_only(database, "users-faults", POOL))


async def good_again(faulty):
    """As many at once as there are connections: one that was lost for good would be missed."""
    answers = await asyncio.gather(*(faulty.ask("GET", "/users/me") for _ in range(POOL)))
    return {answer.status_code for answer in answers} == {200}


@pytest.mark.parametrize("fault", FAULTS)
async def test_without_redis_only_what_ends_access_is_a_503_and_comes_back(
    faulty, redis_link, eventually, fault
):
    async with asked_all_the_time(
        lambda: faulty.ask("GET", "/users/me"),
        *[lambda: faulty.ask("DELETE", "/users/me/sessions")] * 3,  # more than there are connections
    ) as (reads, ends, *_):
        await FAULTS[fault](redis_link)
        for asked in (reads, ends):
            asked.forget()
            await eventually(lambda asked=asked: asked.enough, seconds=60)
        assert (reads.unanswered, set(reads.statuses)) == ([], {200})
        assert (ends.unanswered, ends.codes) == ([], {"redis_unavailable"})
        assert set(ends.statuses) <= {204, 503}
        assert 503 in ends.statuses
        await redis_link.heal()
        await eventually(lambda: ends_again(faulty), seconds=30)


async def ends_again(faulty):
    return (await faulty.ask("DELETE", "/users/me/sessions")).status_code == 204
