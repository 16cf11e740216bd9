"""Refuses a start that could exhaust the connections of the database."""

import asyncpg

from shared.database.url import database_url, driver_url
from shared.settings import DatabaseSettings


async def check_capacity(settings: DatabaseSettings, workers: int) -> str | None:
    """Refuse to start when workers × pool size is more than the role may open.

    Returns a warning when the database could not be asked. Raises SystemExit with one line.
    """
    wanted = workers * settings.database_pool_size
    try:
        connection = await asyncpg.connect(driver_url(settings), timeout=settings.database_timeout)
    except (OSError, asyncpg.PostgresError) as error:
        return f"database not asked for its connection limit: {type(error).__name__}"
    try:
        limit = await connection.fetchval(_CONNECTION_LIMIT)
    finally:
        await connection.close()
    if wanted > limit:
        role = database_url(settings).username
        raise SystemExit(
            f"{workers} workers x {settings.database_pool_size} connections = {wanted}, "
            f"but role {role} may open {limit}: use fewer workers or a smaller pool"
        )
    return None


_CONNECTION_LIMIT = """
SELECT least(
    CASE WHEN rolconnlimit < 0 THEN 1000000 ELSE rolconnlimit END,
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
) FROM pg_roles WHERE rolname = current_user
"""
