"""What happens between a rule's look and its act."""

from typing import Any

import pytest

from items.exceptions import ItemNotFound
from items.repository import ItemRepository
from items.schemas import Item, ItemChange, NewItem
from items.service import ItemService
from shared.database import Database
from shared.identity import Caller

OWNER = Caller(id=1, session_id="s", scopes=frozenset(), expires_at=0)


class TooLate(ItemRepository):
    """Somebody else deletes each listing just before it is written to."""

    async def update(self, item_id: int, changes: Any) -> Item | None:
        await super().delete(item_id)
        return await super().update(item_id, changes)

    async def delete(self, item_id: int) -> bool:
        await super().delete(item_id)
        return await super().delete(item_id)


async def test_a_listing_that_goes_while_we_decide_is_not_there(database: Database) -> None:
    async with database.session() as session:
        items = ItemService(TooLate(session))
        new = NewItem.model_validate({"name": "n", "price": 1})
        first, second = [(await items.create(new, OWNER)).id for _ in range(2)]
        with pytest.raises(ItemNotFound):
            await items.change(first, ItemChange(name="m"), OWNER)
        with pytest.raises(ItemNotFound):
            await items.remove(second, OWNER)
