"""Where statements are executed: alone, or several in one transaction.

The rules say where a transaction begins and ends, so that no connection waits for ml-predict.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

from items.appraisal_repository import AppraisalRepository
from items.idempotency_repository import IdempotencyRepository
from items.import_repository import ImportRepository
from items.model_repository import ModelRepository
from items.owner_repository import OwnerRepository
from items.repository import ItemRepository
from shared.database import Connection, Database
from shared.deadline import transaction_deadline
from shared.events.outbox import OutboxRepository


@dataclass(frozen=True, slots=True)
class Repositories:
    items: ItemRepository
    owners: OwnerRepository
    idempotency: IdempotencyRepository
    imports: ImportRepository
    appraisals: AppraisalRepository
    models: ModelRepository
    outbox: OutboxRepository

    @classmethod
    def on(cls, connection: Connection) -> Self:
        return cls(
            items=ItemRepository(connection),
            owners=OwnerRepository(connection),
            idempotency=IdempotencyRepository(connection),
            imports=ImportRepository(connection),
            appraisals=AppraisalRepository(connection),
            models=ModelRepository(connection),
            outbox=OutboxRepository(connection),
        )


class Transaction(Repositories):
    """Repositories whose statements take effect together, or not at all."""


class Store:
    """`autocommit` executes each statement by itself: for a rule that needs one.

    `searches` does so on connections of their own, so that slow searches hold up nothing else.
    """

    def __init__(self, database: Database, searches: Database) -> None:
        self._database = database
        self.autocommit = Repositories.on(database.autocommit)
        self.searches = Repositories.on(searches.autocommit)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Commits at the end of the block, rolls back on an error. Slow is DatabaseUnavailable."""
        async with transaction_deadline(), self._database.transaction() as connection:
            yield Transaction.on(connection)
