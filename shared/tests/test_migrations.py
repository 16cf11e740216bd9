"""Migrations run once, in one transaction, also when two start at the same moment."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.database import Database
from shared.migrations import upgrade
from shared.settings import DatabaseSettings
from shared.testing.programs import started

ENV = """
from shared.migrations import run_migrations
from sqlalchemy import MetaData

run_migrations(MetaData())
"""
FIRST = """
from alembic import op

revision, down_revision = "1", None


def upgrade():
    op.execute("CREATE TABLE ring (name text)")
    op.execute("INSERT INTO ring VALUES ('one')")
    op.execute("SELECT pg_sleep(0.2)")
"""
BROKEN = """
from alembic import op

revision, down_revision = "2", "1"


def upgrade():
    op.execute("INSERT INTO ring VALUES ('two')")
    op.execute("SELECT 1/0")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "versions").mkdir()
    (tmp_path / "env.py").write_text(ENV)
    (tmp_path / "versions/first.py").write_text(FIRST)
    return tmp_path


async def rings(given: dict[str, Any]) -> list[str]:
    database = Database(DatabaseSettings(**given), "test")
    async with database.transaction() as connection:
        names = await connection.scalars(text("SELECT name FROM ring"))
    await database.close()
    return names


async def test_the_fixture_gives_a_migrated_database(
    make_database: Callable[..., dict[str, Any]], folder: Path
) -> None:
    assert await rings(make_database("migrated_once", folder)) == ["one"]


async def test_again_runs_nothing_again(make_database: Callable[..., dict[str, Any]], folder: Path) -> None:
    make_database("migrated_twice", folder)
    assert await rings(make_database("migrated_twice", folder)) == ["one"]


async def test_two_at_once_run_one_after_the_other(
    make_database: Callable[..., dict[str, Any]], folder: Path
) -> None:
    """In two processes, as two containers would: alembic itself is not made for two threads."""
    given = make_database("migrated_at_once")
    program = (
        "import sys, pathlib; from shared.migrations import upgrade; "
        "from shared.settings import DatabaseSettings; "
        "upgrade(pathlib.Path(sys.argv[1]), "
        "DatabaseSettings(database_url=sys.argv[2], database_password=sys.argv[3]))"
    )
    arguments = (str(folder), given["database_url"], given["database_password"])
    both = [await started("-c", program, *arguments, environment=os.environ) for _ in range(2)]
    outputs = await asyncio.gather(*(process.communicate() for process in both))
    assert [process.returncode for process in both] == [0, 0], outputs
    assert await rings(given) == ["one"]


async def test_a_migration_that_fails_leaves_nothing(
    make_database: Callable[..., dict[str, Any]], folder: Path
) -> None:
    given = make_database("migrated_badly", folder)
    (folder / "versions/second.py").write_text(BROKEN)
    with pytest.raises(DBAPIError, match="division by zero"):
        await asyncio.to_thread(upgrade, folder, DatabaseSettings(**given))  # it starts a loop of its own
    assert await rings(given) == ["one"]
