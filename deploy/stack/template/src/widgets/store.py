"""Opens transactions. The rules say where one begins and ends."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from shared.database import Database
from widgets.repository import WidgetRepository


@dataclass(frozen=True, slots=True)
class Transaction:
    widgets: WidgetRepository


class Store:
    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Commits at the end of the block, rolls back on an error."""
        async with self._database.transaction() as connection:
            yield Transaction(widgets=WidgetRepository(connection))
