"""Executing statements, one by one or in a transaction."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import asyncpg
from sqlalchemy import Executable

from shared.database.errors import WrongValue, spoils, translated
from shared.database.pool import Pool
from shared.database.rows import Row, Rows
from shared.database.statement import Statement, Values, compile_now

NOTHING: Values = {}


class Connection(ABC):
    """What a repository needs: it works alone and within a transaction."""

    @abstractmethod
    async def execute(
        self, statement: Statement | Executable, values: Values = NOTHING, *, within: float | None = None
    ) -> Rows:
        """`within` is seconds; unset, it is the setting `database_command_timeout`.

        Raises DatabaseUnavailable when Postgres cannot be reached, went away or did not answer in time, and
        SQLAlchemy's IntegrityError.
        """

    @abstractmethod
    async def execute_many(self, statement: Statement, values: Sequence[Values]) -> None:
        """Once for each of `values`, all of them or none, in one round trip. Raises as `execute`."""

    async def scalar(self, statement: Statement | Executable, values: Values = NOTHING) -> Any:
        """The first value of the first row, None if there is no row."""
        return (await self.execute(statement, values)).scalar()

    async def scalars(self, statement: Statement | Executable, values: Values = NOTHING) -> list[Any]:
        """The first value of each row."""
        return (await self.execute(statement, values)).scalars()


class HeldConnection(Connection):
    """One connection of the pool, for as long as its holder needs it. `usable` is false after a fault."""

    def __init__(self, driver: "asyncpg.Connection[Row]") -> None:
        self.driver = driver
        self.usable = True

    async def execute(
        self, statement: Statement | Executable, values: Values = NOTHING, *, within: float | None = None
    ) -> Rows:
        if isinstance(statement, Statement):
            text, bound, returns_rows = statement.text, statement.bind(values), statement.returns_rows
        else:
            text, bound, returns_rows = compile_now(statement, values)
        try:
            if returns_rows:
                rows = await self.driver.fetch(text, *bound, timeout=within)
                return Rows(rows, len(rows))
            status = await self.driver.execute(text, *bound, timeout=within)
        except BaseException as error:
            self._fail(error)
            raise
        return Rows([], int(status.rpartition(" ")[2]))

    async def execute_many(self, statement: Statement, values: Sequence[Values]) -> None:
        try:
            await self.driver.executemany(statement.text, [statement.bind(one) for one in values])
        except BaseException as error:
            self._fail(error)
            raise

    async def command(self, text: str) -> None:
        """BEGIN, COMMIT and the like."""
        try:
            await self.driver.execute(text)
        except BaseException as error:
            self._fail(error)
            raise

    def _fail(self, error: BaseException) -> None:
        """Raises what `error` means, if that is something else."""
        if spoils(error):
            self.usable = False
        meaning = translated(error)
        if isinstance(meaning, WrongValue):
            raise meaning from None  # the cause would carry the value to the log
        if meaning is not error:
            raise meaning from error


class Autocommit(Connection):
    """Executes each statement on a connection of its own, which Postgres commits by itself."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def execute(
        self, statement: Statement | Executable, values: Values = NOTHING, *, within: float | None = None
    ) -> Rows:
        held = HeldConnection(await self._pool.acquire())
        try:
            return await held.execute(statement, values, within=within)
        finally:
            self._pool.release(held.driver, usable=held.usable)

    async def execute_many(self, statement: Statement, values: Sequence[Values]) -> None:
        held = HeldConnection(await self._pool.acquire())
        try:
            await held.execute_many(statement, values)
        finally:
            self._pool.release(held.driver, usable=held.usable)
