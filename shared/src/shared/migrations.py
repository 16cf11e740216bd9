"""Alembic, set up in code: `python -m items.migrations` brings a database up to date."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
from alembic import command, context, op
from alembic.config import Config
from sqlalchemy import Column, Connection, Index, MetaData, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from shared.database import database_url
from shared.settings import DatabaseSettings

LOCK = 7_266_122  # any number that only migrations use: two at once run one after the other
ASK_AGAIN = 0.1  # seconds
TRY_LOCK = text(f"SELECT pg_try_advisory_lock({LOCK})")


def alembic_config(folder: Path, settings: DatabaseSettings) -> Config:
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = database_url(settings)
    return config


def upgrade(folder: Path, settings: DatabaseSettings) -> None:
    """Run all migrations in `folder` that the database has not seen, each in a transaction of its own.

    Raises SystemExit with one line when the database cannot be reached.
    """
    try:
        command.upgrade(alembic_config(folder, settings), "head")
    except (
        OSError,
        asyncpg.PostgresConnectionError,
        asyncpg.InvalidAuthorizationSpecificationError,
    ) as error:
        raise SystemExit(f"database {settings.database_url} cannot be reached: {error}") from None


def create_index(name: str, table: str, columns: Sequence[Any], **options: Any) -> None:
    """For a migration of a table that is in use: writes go on while the index is built.

    It is not part of the migration's transaction. What an earlier attempt left half-built is replaced.
    """
    with op.get_context().autocommit_block():
        op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)
        op.create_index(name, table, columns, postgresql_concurrently=True, **options)


def drop_index(name: str, table: str) -> None:
    """The same the other way round."""
    with op.get_context().autocommit_block():
        op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)


def include_object(
    found: Any,
    _name: str | None,
    _kind: str,
    _reflected: bool,
    counterpart: Any,
) -> bool:
    """For alembic's comparison: not whether an index on an expression is the same.

    It compares the texts, and Postgres writes an expression in its own way. Missing ones are still found.
    """
    if counterpart is None or not isinstance(found, Index):
        return True
    return all(isinstance(expression, Column) for expression in found.expressions)


def run_migrations(metadata: MetaData) -> None:
    """What each service's `migrations/env.py` calls."""
    asyncio.run(_run(metadata))


async def _run(metadata: MetaData) -> None:
    engine = create_async_engine(context.config.attributes["url"], poolclass=NullPool)
    try:
        async with _alone(engine), engine.connect() as connection:
            await connection.run_sync(_migrate, metadata)
    finally:
        await engine.dispose()


@asynccontextmanager
async def _alone(engine: AsyncEngine) -> AsyncIterator[None]:
    """One migration at a time, on a connection of its own.

    It asks instead of waiting in Postgres: an index that is built beside writes waits for every statement
    that runs, and so for one that waits for this lock.
    """
    async with engine.connect() as plain:
        connection = await plain.execution_options(isolation_level="AUTOCOMMIT")
        while not await connection.scalar(TRY_LOCK):  # noqa: ASYNC110 - it is in another process
            await asyncio.sleep(ASK_AGAIN)
        yield


def _migrate(connection: Connection, metadata: MetaData) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_type=True,
        include_object=include_object,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
