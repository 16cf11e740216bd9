"""The rules: everybody may read and appraise a listing, its owner and administrators may change it."""

from collections.abc import Awaitable, Callable

from items.appraiser import Appraiser
from items.exceptions import ItemNotFound, NotAppraisable, NotYourItem
from items.repository import ItemRepository
from items.schemas import Appraisal, Item, ItemChange, ItemQuery, NewItem
from shared.identity import Caller
from shared.logging import get_logger
from shared.pagination import Page

log = get_logger()


class ItemService:
    def __init__(self, items: ItemRepository) -> None:
        self._items = items

    async def create(self, new: NewItem, caller: Caller) -> Item:
        item = await self._items.add({**new.model_dump(), "owner_id": caller.id})
        log.info("item_created", item_id=item.id, owner_id=item.owner_id)
        return item

    async def search(self, query: ItemQuery, page: Page) -> tuple[list[Item], int]:
        """One page, and how many there are on all pages."""
        return await self._items.search(query, page)

    async def read(self, item_id: int) -> Item:
        item = await self._items.get(item_id)
        if item is None:
            raise ItemNotFound(item_id)
        return item

    async def change(self, item_id: int, change: ItemChange, caller: Caller) -> Item:
        await self._let(caller, item_id)
        item = await self._items.update(item_id, change.model_dump(exclude_unset=True))
        if item is None:  # deleted since we looked
            raise ItemNotFound(item_id)
        log.info("item_changed", item_id=item_id, caller_id=caller.id)
        return item

    async def remove(self, item_id: int, caller: Caller) -> None:
        await self._let(caller, item_id)
        if not await self._items.delete(item_id):
            raise ItemNotFound(item_id)
        log.info("item_deleted", item_id=item_id, caller_id=caller.id)

    async def _let(self, caller: Caller, item_id: int) -> None:
        item = await self.read(item_id)
        if item.owner_id != caller.id and not caller.is_admin:
            raise NotYourItem(item_id)


class AppraisalService:
    """`find` gives a listing and keeps no connection: ml-predict may take its time, the pool has five."""

    def __init__(self, find: Callable[[int], Awaitable[Item | None]], appraiser: Appraiser) -> None:
        self._find = find
        self._appraiser = appraiser

    async def appraise(self, item_id: int, token: str) -> Appraisal:
        item = await self._find(item_id)
        if item is None:
            raise ItemNotFound(item_id)
        if item.features is None:
            raise NotAppraisable(item_id)
        return await self._appraiser.appraise(item_id, item.features, token)
