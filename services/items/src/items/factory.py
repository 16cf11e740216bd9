"""Builds the services from their resources: one place for the web, the commands and the tests."""

from items.appraiser import Appraiser
from items.service import AppraisalService, ItemService
from items.store import Store
from shared.database import Database


class Factory:
    def __init__(self, database: Database) -> None:
        self.store = Store(database)

    def items(self) -> ItemService:
        return ItemService(self.store)

    def appraisals(self, appraiser: Appraiser) -> AppraisalService:
        return AppraisalService(self.store, appraiser)
