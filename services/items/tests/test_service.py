"""Rules against somebody who writes at the same time."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import sqlalchemy as sa

from items.domain import Item
from items.exceptions import ItemNotFound, NotYourItem
from items.factory import Factory
from items.schemas import ItemChange, NewItem
from items.service import ItemService
from shared.database import Database
from shared.identity import Caller
from shared.read_cache import ReadCache

OWNER = Caller(id=1, session_id="s", scopes=frozenset(), expires_at=0)
OTHER = Caller(id=2, session_id="t", scopes=frozenset(), expires_at=0)
Eventually = Callable[..., Awaitable[None]]


@pytest.fixture
def factory(database: Database) -> Factory:
    return Factory(database)


async def made(items: ItemService) -> Item:
    return await items.create(NewItem.model_validate({"name": "n", "price": 1}), OWNER)


@pytest.mark.parametrize("write", ["change", "remove"])
async def test_a_write_waits_for_a_deletion_and_then_finds_nothing(
    factory: Factory, cache: ReadCache[Item], database: Database, eventually: Eventually, write: str
) -> None:
    items = factory.items(factory.idempotency(24), cache)
    item = await made(items)

    async def waiting() -> int:
        async with database.transaction() as connection:
            blocked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            return int(await connection.scalar(sa.text(blocked)) or 0)

    async with factory.store.transaction() as tx:
        await tx.items.remove(item.id)
        writing = asyncio.ensure_future(
            items.change(item.id, ItemChange(name="m"), OWNER)
            if write == "change"
            else items.remove(item.id, OWNER)
        )
        await eventually(waiting, 1)
    with pytest.raises(ItemNotFound):
        await writing


async def test_two_changes_at_once_both_stay(factory: Factory, cache: ReadCache[Item]) -> None:
    items = factory.items(factory.idempotency(24), cache)
    item = await made(items)
    changes = [ItemChange(name="renamed"), ItemChange.model_validate({"price": "7.50"})]
    await asyncio.gather(*(items.change(item.id, change, OWNER) for change in changes))
    changed = await items.read(item.id)
    assert (changed.name, str(changed.price)) == ("renamed", "7.50")


async def test_a_refused_write_changes_nothing(factory: Factory, cache: ReadCache[Item]) -> None:
    items = factory.items(factory.idempotency(24), cache)
    item = await made(items)
    with pytest.raises(NotYourItem):
        await items.change(item.id, ItemChange(name="m"), OTHER)
    with pytest.raises(NotYourItem):
        await items.remove(item.id, OTHER)
    assert await items.read(item.id) == item


async def test_what_an_error_ends_is_taken_back(factory: Factory, cache: ReadCache[Item]) -> None:
    values = {"name": "n", "description": "", "price": 1, "currency": "USD", "features": None, "owner_id": 1}
    made: list[Item] = []

    async def rule() -> None:
        async with factory.store.transaction() as tx:
            made.append(await tx.items.add(values))
            raise NotYourItem(made[0].id)

    with pytest.raises(NotYourItem):
        await rule()
    with pytest.raises(ItemNotFound):
        await factory.items(factory.idempotency(24), cache).read(made[0].id)
