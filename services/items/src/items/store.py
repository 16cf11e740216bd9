"""Opens transactions. The rules say where one begins and ends, so that no connection waits for ml-predict."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from items.repository import ItemRepository
from shared.database import Database


@dataclass(frozen=True, slots=True)
class Transaction:
    items: ItemRepository


class Store:
    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Commits at the end of the block, rolls back on an error."""
        async with self._database.transaction() as connection:
            yield Transaction(items=ItemRepository(connection))
