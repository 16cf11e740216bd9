"""Postgres through async SQLAlchemy: one bounded pool a worker, one session a request."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated, Any

import asyncpg
from fastapi import Depends, Request, Response
from sqlalchemy import URL, event, make_url, text
from sqlalchemy.engine import Dialect, ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from shared.exceptions import Conflict, DatabaseUnavailable
from shared.logging import get_logger
from shared.problems import handles, problem_response
from shared.settings import DatabaseSettings

log = get_logger()


def database_url(settings: DatabaseSettings) -> URL:
    return make_url(settings.database_url).set(password=settings.database_password.get_secret_value())


class Database:
    """An engine and its sessions. Made in the lifespan, after the fork; connects when first used."""

    def __init__(self, settings: DatabaseSettings, application_name: str) -> None:
        self._engine: AsyncEngine = create_async_engine(
            database_url(settings),
            pool_size=settings.database_pool_size,
            max_overflow=0,  # so that workers × pool size is really the most
            pool_timeout=settings.database_timeout,
            hide_parameters=True,  # they would stand in the text of errors, and so in the log
            connect_args={
                "timeout": settings.database_timeout,
                "command_timeout": settings.database_command_timeout,
                "server_settings": {"application_name": application_name},
            },
        )
        for name, listener in _LISTENERS.items():
            event.listen(self._engine.sync_engine, name, listener)
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """A session that commits at the end and rolls back on an error.

        Raises DatabaseUnavailable when Postgres cannot be reached, went away or did not answer in time.
        """
        with _unavailable():
            async with self._sessions() as session, session.begin():
                try:
                    yield session
                except Exception as error:
                    if _is_confused(error):
                        await session.invalidate()
                    raise

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A connection for statements of SQLAlchemy Core; commits at the end and rolls back on an error.

        Raises DatabaseUnavailable when Postgres cannot be reached, went away or did not answer in time.
        """
        with _unavailable():
            async with self._engine.begin() as connection:
                try:
                    yield connection
                except Exception as error:
                    if _is_confused(error):
                        await connection.invalidate()
                    raise

    async def ping(self) -> None:
        async with self._engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        await self._engine.dispose()


@contextmanager
def _unavailable() -> Iterator[None]:
    """Turns what says that there is no database into DatabaseUnavailable, also from raw asyncpg."""
    try:
        yield
    except PoolTimeoutError as error:
        raise DatabaseUnavailable from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        if is_unavailable(error):
            raise DatabaseUnavailable from error
        raise


_PASSING = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
)


def is_unavailable(error: BaseException | None) -> bool:
    """Whether asyncpg's error says that Postgres is gone, going or full, and not that we asked wrongly."""
    closed = type(error) is asyncpg.InterfaceError and "closed" in str(error)
    # What asyncpg says when Postgres took its leave just before the next command, a COMMIT for example.
    leaving = isinstance(error, asyncpg.InternalClientError) and "cannot switch to state" in str(error)
    return closed or leaving or isinstance(error, (*_PASSING, OSError))


def _is_confused(error: BaseException) -> bool:
    """Whether asyncpg was used wrongly: after two statements at once a connection fails whoever is next."""
    return type(error) in {asyncpg.InterfaceError, asyncpg.InternalClientError}


def _connect(dialect: Dialect, _: Any, arguments: Any, options: Any) -> DBAPIConnection:
    """Whatever stands in the way of a connection: there is no database for this request."""
    try:
        return dialect.connect(*arguments, **options)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, dialect.loaded_dbapi.Error) as error:
        raise DatabaseUnavailable from error


def _replace_dead(connection: Any, _record: Any, _proxy: Any) -> None:
    """A connection that died while idle is not handed out. asyncpg saw it close, so nobody has to ask."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def _translate(context: ExceptionContext) -> BaseException | None:
    """At the source, because an OSError in a handler need not be the database's: it may be any file's."""
    error = context.original_exception
    error = getattr(error, "driver_exception", error)
    unavailable = is_unavailable(error)
    if unavailable or _is_confused(error):
        context.is_disconnect = True  # after a timeout too: who knows what the connection still waits for
        context.invalidate_pool_on_disconnect = False
    return DatabaseUnavailable() if unavailable else None


@handles(IntegrityError, asyncpg.IntegrityConstraintViolationError)
async def integrity_error(request: Request, error: IntegrityError | asyncpg.PostgresError) -> Response:
    """The caller is not told which constraint failed, nor what Postgres says of it: that quotes the row."""
    cause = getattr(error.orig, "driver_exception", None) if isinstance(error, IntegrityError) else error
    log.info("constraint_violated", constraint=getattr(cause, "constraint_name", None))
    return problem_response(Conflict("The change conflicts with what is stored."), request.url.path)


_LISTENERS: dict[str, Callable[..., Any]] = {
    "do_connect": _connect,
    "checkout": _replace_dead,
    "handle_error": _translate,
}


async def session(request: Request) -> AsyncGenerator[AsyncSession, None]:
    async with request.state.database.session() as opened:
        yield opened


# scope="function": it commits before the answer is sent, so that who reads 201 can rely on it.
Session = Annotated[AsyncSession, Depends(session, scope="function")]


async def check_capacity(settings: DatabaseSettings, workers: int) -> str | None:
    """Refuse to start when workers × pool size is more than the role may open.

    Returns a warning when the database could not be asked. Raises SystemExit with one line.
    """
    url = database_url(settings)
    wanted = workers * settings.database_pool_size
    try:
        connection = await asyncpg.connect(_plain(url), timeout=settings.database_timeout)
    except (OSError, asyncpg.PostgresError) as error:
        return f"database not asked for its connection limit: {type(error).__name__}"
    try:
        limit = await connection.fetchval(_CONNECTION_LIMIT)
    finally:
        await connection.close()
    if wanted > limit:
        raise SystemExit(
            f"{workers} workers x {settings.database_pool_size} connections = {wanted}, "
            f"but role {url.username} may open {limit}: use fewer workers or a smaller pool"
        )
    return None


_CONNECTION_LIMIT = """
SELECT least(
    CASE WHEN rolconnlimit < 0 THEN 1000000 ELSE rolconnlimit END,
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
) FROM pg_roles WHERE rolname = current_user
"""


def _plain(url: URL) -> Any:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
