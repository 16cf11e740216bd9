"""Migrations and tables say the same."""

import asyncio
import sys

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect
from sqlalchemy.ext.asyncio import create_async_engine

from shared.database import database_url
from shared.migrations import alembic_config
from shared.settings import DatabaseSettings
from users.migrations import FOLDER
from users.tables import metadata

TABLES = {
    "users",
    "sessions",
    "api_keys",
    "ended_sessions",
    "signing_keys",
    "audit_events",
    "email_tokens",
    "outbox",
}


@pytest.fixture(scope="module")
def empty(make_database):
    return DatabaseSettings(**make_database("users_migrated"))


async def asked(settings, question):
    engine = create_async_engine(database_url(settings))
    async with engine.connect() as connection:
        answer = await connection.run_sync(question)
    await engine.dispose()
    return answer


def differences(connection):
    context = MigrationContext.configure(
        connection, opts={"compare_type": True, "compare_server_default": True}
    )
    return compare_metadata(context, metadata)


def tables(connection):
    return set(inspect(connection).get_table_names()) - {"alembic_version"}


def names(connection):
    """Of all constraints and indexes, which autogenerate compares only in part."""
    found = inspect(connection)
    for table in sorted(tables(connection)):
        yield found.get_pk_constraint(table)["name"]
        yield from (one["name"] for one in found.get_foreign_keys(table))
        yield from (one["name"] for one in found.get_unique_constraints(table))
        yield from (one["name"] for one in found.get_indexes(table) if not one.get("duplicates_constraint"))


async def test_up_down_and_up_again(empty):
    config = alembic_config(FOLDER, empty)
    await asyncio.to_thread(command.upgrade, config, "head")
    assert await asked(empty, tables) == TABLES
    assert await asked(empty, differences) == []
    await asyncio.to_thread(command.downgrade, config, "base")
    assert await asked(empty, tables) == set()
    await asyncio.to_thread(command.upgrade, config, "head")
    assert await asked(empty, differences) == []


async def test_constraints_have_the_names_of_the_convention(empty):
    await asyncio.to_thread(command.upgrade, alembic_config(FOLDER, empty), "head")
    expected = {
        str(one.name) for table in metadata.tables.values() for one in (*table.constraints, *table.indexes)
    }
    assert await asked(empty, lambda connection: set(names(connection))) == expected


async def test_the_command_migrates_and_may_be_repeated(make_database, clean_environment):
    given = make_database("users_by_command")
    environment = {
        **clean_environment,
        "USERS_DATABASE_URL": given["database_url"],
        "USERS_DATABASE_PASSWORD": given["database_password"],
    }
    for _ in range(2):
        command = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "users.migrations", env=environment
        )
        assert await command.wait() == 0
    assert await asked(DatabaseSettings(**given), tables) == TABLES
