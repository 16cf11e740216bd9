"""Migrations and tables say the same."""

import asyncio

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text
from sqlalchemy.ext.asyncio import create_async_engine

from shared.database import database_url
from shared.migrations import alembic_config
from shared.settings import DatabaseSettings
from shared.testing.programs import started
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
        command = await started("-m", "users.migrations", environment=environment)
        assert await command.wait() == 0
    assert await asked(DatabaseSettings(**given), tables) == TABLES


# What the first release executes: it still runs while it is replaced. A migration that breaks one of them has
# to wait for the release after the next.
FIRST_RELEASE = [
    "INSERT INTO users (email, name, password_hash) VALUES ('ada@example.com', 'Ada', 'hash') "
    "RETURNING id, email, name, password_hash, is_active, is_admin, created_at",
    "SELECT id, email, name, password_hash, is_active, is_admin, created_at FROM users "
    "WHERE email = 'ada@example.com' FOR UPDATE",
    "INSERT INTO sessions (id, user_id, family_digest, refresh_digest, expires_at) "
    "SELECT 's', id, 'family', 'refresh', now() FROM users "
    "RETURNING id, user_id, family_digest, refresh_digest, created_at, expires_at, ended_at",
    "UPDATE sessions SET refresh_digest = 'another' WHERE family_digest = 'family' AND ended_at IS NULL "
    "RETURNING id",
    "UPDATE sessions SET ended_at = now() WHERE user_id IN (SELECT id FROM users) AND ended_at IS NULL "
    "RETURNING id",
    "INSERT INTO api_keys (user_id, name, prefix, digest) SELECT id, 'script', 'fk_1', 'digest' FROM users "
    "RETURNING id, user_id, name, prefix, digest, created_at, expires_at",
    "SELECT api_keys.id, users.is_admin FROM api_keys JOIN users ON users.id = api_keys.user_id "
    "WHERE digest = 'digest' AND is_active AND (expires_at IS NULL OR expires_at > now())",
    "DELETE FROM api_keys WHERE user_id IN (SELECT id FROM users) RETURNING id",
    "UPDATE users SET name = 'Grace', is_admin = true WHERE email = 'ada@example.com' RETURNING id",
    "DELETE FROM users WHERE email = 'ada@example.com' RETURNING id",
]


async def test_the_first_release_works_on_the_new_schema(empty):
    await asyncio.to_thread(command.upgrade, alembic_config(FOLDER, empty), "head")
    engine = create_async_engine(database_url(empty))
    async with engine.connect() as connection:
        for statement in FIRST_RELEASE:
            found = (await connection.execute(text(statement))).all()
            assert len(found) == 1, statement
    await engine.dispose()
