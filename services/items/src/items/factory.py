"""Builds the services from their resources: one place for the web, the commands and the tests."""

from redis.asyncio import Redis

from items.appraisals import AppraisalService
from items.appraiser import Appraiser
from items.domain import Item
from items.idempotency import Idempotency
from items.imports import ImportService
from items.models import ModelService
from items.owners import OwnerService
from items.service import ItemService
from items.store import Store
from shared.database import Database
from shared.read_cache import Changes, ReadCache

CHANGED = "items:changed"  # the channel for listings that have changed


class Factory:
    def __init__(self, database: Database, searches: Database | None = None) -> None:
        self.store = Store(database, searches or database)

    def items(self, idempotency: Idempotency, cache: ReadCache[Item]) -> ItemService:
        return ItemService(self.store, idempotency, cache)

    def idempotency(self, hours: int) -> Idempotency:
        return Idempotency(self.store, hours)

    def imports(self, hours: int) -> ImportService:
        return ImportService(self.store, hours)

    def owners(self, redis: Redis) -> OwnerService:
        return OwnerService(self.store, Changes(redis, CHANGED))

    def models(self) -> ModelService:
        return ModelService(self.store)

    def appraisals(self, appraiser: Appraiser, hours: int) -> AppraisalService:
        return AppraisalService(self.store, appraiser, hours)
