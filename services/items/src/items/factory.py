"""Builds the services from their resources: one place for the web, the commands and the tests."""

from items.appraiser import Appraiser
from items.idempotency import Idempotency
from items.owners import OwnerService
from items.service import AppraisalService, ItemService
from items.store import Store
from shared.database import Database


class Factory:
    def __init__(self, database: Database) -> None:
        self.store = Store(database)

    def items(self, idempotency: Idempotency) -> ItemService:
        return ItemService(self.store, idempotency)

    def idempotency(self, hours: int) -> Idempotency:
        return Idempotency(self.store, hours)

    def owners(self) -> OwnerService:
        return OwnerService(self.store)

    def appraisals(self, appraiser: Appraiser) -> AppraisalService:
        return AppraisalService(self.store, appraiser)
