"""The rules of listings: anyone may read one; its owner and administrators may change it."""

from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Final

from items.domain import Item, Search
from items.events import ItemChanged, ItemCreated, ItemDeleted
from items.exceptions import ItemNotFound, NotYourItem, OwnerGone
from items.idempotency import Idempotency
from items.schemas import ItemChange, NewItem
from items.store import Store, Transaction
from shared.conditions import unconditional
from shared.exceptions import require_found
from shared.identity import Caller
from shared.logging import get_logger
from shared.pages import Page, Slice
from shared.read_cache import ReadCache

EXPORTED: Final = 200  # listings that an export holds in memory
Condition = Callable[[Item], None]
log = get_logger()


class ItemService:
    def __init__(self, store: Store, idempotency: Idempotency, cache: ReadCache[Item]) -> None:
        self._store = store
        self._idempotency = idempotency
        self._cache = cache

    async def create(self, new: NewItem, caller: Caller, key: str | None = None) -> Item:
        """With a key, a repetition gets the first answer. Raises OwnerGone or IdempotencyKeyReused."""
        async with self._store.transaction() as tx:
            if key is not None and (first := await self._idempotency.first_answer(tx, key, new, caller)):
                return first
            item = await self._add(tx, new, caller)
            if key is not None:
                await tx.idempotency.answer(caller.id, key, item)
        log.info("item_created", item_id=item.id, owner_id=item.owner_id)
        return item

    async def _add(self, tx: Transaction, new: NewItem, caller: Caller) -> Item:
        await tx.owners.hold(caller.id)
        item = await tx.items.add({**new.model_dump(), "owner_id": caller.id})
        if item is None:
            raise OwnerGone
        await tx.outbox.add(ItemCreated.of(item))
        return item

    async def search(self, query: Search, page: Page) -> Slice[Item]:
        """One page. Raises CursorInvalid or SearchTimeout."""
        return await self._store.searches.items.search(query, page)

    async def export(self, caller: Caller) -> AsyncIterator[Sequence[Item]]:
        """Pages of the caller's own listings. The first is there already, so that a fault is told in time."""
        first = await self._export(caller, None)
        return self._pages(caller, first)

    async def _pages(self, caller: Caller, page: Slice[Item]) -> AsyncIterator[Sequence[Item]]:
        yield page.rows
        while page.following is not None:
            page = await self._export(caller, page.following)
            yield page.rows

    async def _export(self, caller: Caller, cursor: str | None) -> Slice[Item]:
        mine = Search(owner_id=caller.id, sort="created_at")
        return await self._store.autocommit.items.search(mine, Page(limit=EXPORTED, cursor=cursor))

    async def read(self, item_id: int, caller: Caller | None = None, *, fresh: bool = False) -> Item:
        """From the cache; for those who may change it from the database, so that they see what they did.

        A `fresh` one is from the database too. Raises ItemNotFound.
        """
        if fresh:
            return await self._load(item_id)
        item = await self._cache.read(str(item_id), partial(self._load, item_id))
        if caller is not None and _may_change(item, caller):
            return await self._load(item_id)
        return item

    async def _load(self, item_id: int) -> Item:
        return require_found(await self._store.autocommit.items.by_id(item_id), ItemNotFound(item_id))

    async def change(
        self, item_id: int, change: ItemChange, caller: Caller, require: Condition = unconditional
    ) -> Item:
        """Raises ItemNotFound, NotYourItem, and what `require` raises of the locked listing."""
        async with self._store.transaction() as tx:
            require(await _own(tx, item_id, caller))
            item = await tx.items.update(item_id, change.model_dump(exclude_unset=True))
            await tx.outbox.add(ItemChanged.of(item))
        await self._cache.changed(str(item_id))
        log.info("item_changed", item_id=item_id, caller_id=caller.id)
        return item

    async def remove(self, item_id: int, caller: Caller, require: Condition = unconditional) -> None:
        """Raises ItemNotFound, NotYourItem, and what `require` raises of the locked listing."""
        async with self._store.transaction() as tx:
            item = await _own(tx, item_id, caller)
            require(item)
            await tx.items.remove(item_id)
            await tx.outbox.add(ItemDeleted(item_id=item_id, owner_id=item.owner_id))
        await self._cache.changed(str(item_id))
        log.info("item_deleted", item_id=item_id, caller_id=caller.id)


async def _own(tx: Transaction, item_id: int, caller: Caller) -> Item:
    """Locks the listing, which the caller may change. Raises ItemNotFound or NotYourItem."""
    item = require_found(await tx.items.lock(item_id), ItemNotFound(item_id))
    if not _may_change(item, caller):
        raise NotYourItem(item_id)
    return item


def _may_change(item: Item, caller: Caller) -> bool:
    return item.owner_id == caller.id or caller.is_admin
