"""The migrations make what `tables.py` describes."""

import asyncio
from collections.abc import Callable
from typing import Any

from alembic import command

from shared.migrations import alembic_config
from shared.settings import DatabaseSettings
from widgets.migrations import FOLDER


async def test_no_migration_is_missing(make_database: Callable[..., dict[str, Any]]) -> None:
    """Raises where tables and migrations differ."""
    given = DatabaseSettings(**make_database("widgets_migrations", FOLDER))
    await asyncio.to_thread(command.check, alembic_config(FOLDER, given))


async def test_going_down_works_too(make_database: Callable[..., dict[str, Any]]) -> None:
    config = alembic_config(FOLDER, DatabaseSettings(**make_database("widgets_down", FOLDER)))
    await asyncio.to_thread(command.downgrade, config, "base")
