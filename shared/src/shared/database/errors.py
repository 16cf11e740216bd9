"""Errors of the database told apart: it is gone, the change conflicts, or we asked wrongly."""

import asyncpg
from sqlalchemy.exc import IntegrityError
from starlette.requests import Request
from starlette.responses import Response

from shared.exceptions import Conflict, DatabaseUnavailable
from shared.logging import get_logger
from shared.problems import handles, problem_response

log = get_logger()
_PASSING = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby: after a failover, another connection finds the primary
    # Timeouts that an operator may set in Postgres. (That of statements is an OperatorInterventionError.)
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)


class WrongValue(ValueError):
    """A value that asyncpg cannot encode for its column."""


def is_unavailable(error: BaseException | None) -> bool:
    """Whether asyncpg's error says that Postgres is gone, going, full or read-only; else we asked wrongly."""
    closed = type(error) is asyncpg.InterfaceError and "closed" in str(error)
    # What asyncpg says when Postgres took its leave just before the next command, a COMMIT for example.
    leaving = isinstance(error, asyncpg.InternalClientError) and "cannot switch to state" in str(error)
    return closed or leaving or isinstance(error, (*_PASSING, OSError))


def is_confused(error: BaseException) -> bool:
    """Whether asyncpg was used wrongly: after two statements at once a connection fails whoever is next."""
    return type(error) in {asyncpg.InterfaceError, asyncpg.InternalClientError}


def spoils(error: BaseException) -> bool:
    """Whether the connection cannot be used again. After a timeout too: who knows what it still waits for."""
    return is_unavailable(error) or is_confused(error) or not isinstance(error, Exception)


def translated(error: BaseException) -> BaseException:
    """What an error of asyncpg means to a service. Others stay what they are.

    To be called where a statement is executed: elsewhere an OSError need not be the database's.
    """
    if is_unavailable(error):
        return DatabaseUnavailable()
    if isinstance(error, asyncpg.IntegrityConstraintViolationError):
        return IntegrityError(None, None, error, hide_parameters=True)
    if type(error) is asyncpg.DataError:  # its subclasses are what Postgres says
        return WrongValue(str(error).partition(":")[0])  # what follows quotes the value
    return error


@handles(IntegrityError, asyncpg.IntegrityConstraintViolationError)
async def integrity_error(request: Request, error: IntegrityError | asyncpg.PostgresError) -> Response:
    """The caller is not told which constraint failed, nor what Postgres says of it: that quotes the row."""
    cause = error.orig if isinstance(error, IntegrityError) else error
    log.info("constraint_violated", constraint=getattr(cause, "constraint_name", None))
    return problem_response(Conflict("The change conflicts with what is stored."), request.url.path)
