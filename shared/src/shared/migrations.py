"""Alembic, set up in code: `python -m items.migrations` brings a database up to date."""

import asyncio
from pathlib import Path

import asyncpg
import sqlalchemy
from alembic import command, context
from alembic.config import Config
from sqlalchemy import Connection, MetaData
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from shared.database import database_url
from shared.settings import DatabaseSettings

LOCK = 7_266_122  # any number that only migrations use: two at once run one after the other


def alembic_config(folder: Path, settings: DatabaseSettings) -> Config:
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = database_url(settings)
    return config


def upgrade(folder: Path, settings: DatabaseSettings) -> None:
    """Run all migrations in `folder` that the database has not seen, in one transaction.

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


def run_migrations(metadata: MetaData) -> None:
    """What each service's `migrations/env.py` calls."""
    asyncio.run(_run(metadata))


async def _run(metadata: MetaData) -> None:
    engine = create_async_engine(context.config.attributes["url"], poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(_migrate, metadata)
        await connection.commit()
    await engine.dispose()


def _migrate(connection: Connection, metadata: MetaData) -> None:
    context.configure(connection=connection, target_metadata=metadata, compare_type=True)
    with context.begin_transaction():
        connection.execute(sqlalchemy.text(f"SELECT pg_advisory_xact_lock({LOCK})"))
        context.run_migrations()
