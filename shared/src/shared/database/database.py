"""The database of a service."""

import contextlib
from collections.abc import AsyncIterator
from typing import Final

import asyncpg
import orjson
from sqlalchemy import text

from shared.database.connection import Autocommit, Connection, HeldConnection
from shared.database.errors import is_unavailable, spoils
from shared.database.pool import Pool
from shared.database.rows import Row
from shared.database.statement import Statement
from shared.database.url import database_url, driver_url
from shared.exceptions import DatabaseUnavailable
from shared.settings import DatabaseSettings

PING: Final = Statement(text("SELECT 1"))
ASYNCPG: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class Database:
    """A pool of connections. Made in the lifespan, after the fork; connects when first used."""

    def __init__(self, settings: DatabaseSettings, application_name: str) -> None:
        self._settings = settings
        self._application_name = application_name
        self._pool = Pool(self._connect, settings.database_pool_size, settings.database_timeout)
        self.autocommit: Connection = Autocommit(self._pool)

    async def _connect(self) -> "asyncpg.Connection[Row]":
        connection: asyncpg.Connection[Row] = await asyncpg.connect(
            driver_url(self._settings),
            timeout=self._settings.database_timeout,
            command_timeout=self._settings.database_command_timeout,
            server_settings=self._server_settings(),
            record_class=Row,
        )
        try:
            for name in ("json", "jsonb"):  # written as text, which the bind processors of SQLAlchemy make
                await connection.set_type_codec(name, schema="pg_catalog", encoder=str, decoder=orjson.loads)
        except BaseException:
            connection.terminate()
            raise
        return connection

    def _server_settings(self) -> dict[str, str]:
        """Postgres ends a statement too: it does not notice that a connection was closed, and works on."""
        limit = round(self._settings.database_command_timeout * 1000)
        own = {"application_name": self._application_name}
        if "statement_timeout" in database_url(self._settings).query:
            return own
        return {**own, "statement_timeout": str(max(1, limit))}

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[HeldConnection]:
        """Commits at the end of the block, rolls back on an error.

        Raises DatabaseUnavailable when Postgres cannot be reached, went away or did not answer in time.
        """
        held = HeldConnection(await self._pool.acquire())
        try:
            await held.command("BEGIN")
            yield held
            await held.command("COMMIT")
        except BaseException as error:
            await _roll_back(held, error)
            raise
        finally:
            self._pool.release(held.driver, usable=held.usable)

    async def ping(self) -> None:
        await self.autocommit.execute(PING)

    async def close(self) -> None:
        await self._pool.close()


async def _roll_back(held: HeldConnection, error: BaseException) -> None:
    """Raises what `error` means if the block used asyncpg itself."""
    if spoils(error) and not isinstance(error, OSError):  # an OSError of the block need not be the database's
        held.usable = False
    if held.usable and held.driver.is_in_transaction():
        with contextlib.suppress(DatabaseUnavailable):
            await held.command("ROLLBACK")
    if isinstance(error, ASYNCPG) and is_unavailable(error):
        raise DatabaseUnavailable from error
