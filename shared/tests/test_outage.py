"""Postgres dies, freezes and comes back; the service says so and goes on."""

import asyncio
import os
import secrets
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from fastapi import APIRouter, Request
from sqlalchemy import text

from shared.database import Database
from shared.embedded import EmbeddedPostgres
from shared.health import Check
from shared.settings import DatabaseSettings
from shared.testing import LiveApp, served

router = APIRouter()


@router.get("/one")
async def read_one(request: Request) -> int:
    return int(await request.state.database.autocommit.scalar(text("SELECT 1")))


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[EmbeddedPostgres]:
    """One that may be killed."""
    with tempfile.TemporaryDirectory(prefix="facet-test-") as folder:
        server = EmbeddedPostgres(
            Path(folder) / "data", secrets.token_urlsafe(), Path(folder) / "log", durable=False
        )
        server.start()
        yield server
        server.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def live(own_postgres: EmbeddedPostgres, make_app: Callable[..., Any]) -> AsyncIterator[LiveApp]:
    settings = DatabaseSettings(
        database_url=own_postgres.url(),
        database_password=own_postgres.password,
        database_timeout=0.3,
        database_command_timeout=0.3,
    )
    database = Database(settings, "test")
    checks = [Check("postgres", database.ping)]
    async with served(make_app(router, database=database, checks=checks)) as live:
        yield live
    await database.close()


def signal_all(server: EmbeddedPostgres, number: signal.Signals) -> None:
    assert server.process
    os.killpg(server.process.pid, number)


async def works(live: LiveApp) -> bool:
    return (await live.client.get("/one")).status_code == 200


async def test_a_killed_postgres_is_503_and_comes_back(
    own_postgres: EmbeddedPostgres, live: LiveApp, eventually: Callable[..., Any]
) -> None:
    warm = await asyncio.gather(*(live.client.get("/one") for _ in range(5)))
    assert {answer.status_code for answer in warm} == {200}
    signal_all(own_postgres, signal.SIGKILL)
    assert own_postgres.process
    await asyncio.to_thread(own_postgres.process.wait)
    for _ in range(3):
        gone = await live.client.get("/one")
        assert (gone.status_code, gone.json()["code"]) == (503, "database_unavailable")
        assert gone.headers["retry-after"]
    ready = await live.client.get("/ready")
    assert ready.status_code == 503
    assert not ready.json()["checks"]["postgres"]["ok"]
    await asyncio.to_thread(own_postgres.start)
    await eventually(lambda: works(live))  # a failed attempt to connect answers for a tenth of a second
    answers = await asyncio.gather(*(live.client.get("/one") for _ in range(5)))
    assert {answer.status_code for answer in answers} == {200}
    assert (await live.client.get("/ready")).status_code == 200


async def test_a_restart_while_nobody_asks_goes_unnoticed(
    own_postgres: EmbeddedPostgres, live: LiveApp
) -> None:
    """Connections that died while idle are replaced, not handed out."""
    assert (await live.client.get("/one")).status_code == 200
    await asyncio.to_thread(own_postgres.stop)
    await asyncio.to_thread(own_postgres.start)
    assert (await live.client.get("/one")).status_code == 200


async def test_a_frozen_postgres_is_503_and_comes_back(
    own_postgres: EmbeddedPostgres, live: LiveApp, eventually: Callable[..., Any]
) -> None:
    assert (await live.client.get("/one")).status_code == 200
    signal_all(own_postgres, signal.SIGSTOP)
    # The workers of Postgres are in groups of their own; those that serve us are found by their parent.
    assert own_postgres.process
    children = _children(own_postgres.process.pid)
    for child in children:
        os.kill(child, signal.SIGSTOP)
    try:
        frozen = await live.client.get("/one")
        assert (frozen.status_code, frozen.json()["code"]) == (503, "database_unavailable")
    finally:
        for child in [own_postgres.process.pid, *children]:
            os.kill(child, signal.SIGCONT)
    await eventually(lambda: works(live))


def _children(parent: int) -> list[int]:
    return [int(stat.parent.name) for stat in Path("/proc").glob("[0-9]*/stat") if _parent(stat) == parent]


def _parent(stat: Path) -> int:
    try:
        return int(stat.read_text().rpartition(")")[2].split()[1])
    except OSError:  # it ended meanwhile
        return 0
