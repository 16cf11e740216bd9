"""Listings in Postgres. No rules here: who may do what is the service's."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, collate, delete, func, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from items.schemas import Item, ItemQuery, Sort
from items.tables import items
from shared.database import Database
from shared.pagination import Page

SHOWN: Final = tuple(items.c[name] for name in Item.model_fields)

# The id makes each order total, so that no listing is on two pages and none is on no page.
ORDERS: Final[Mapping[Sort, Sequence[ColumnElement[Any]]]] = {
    "price": (items.c.price, items.c.id),
    "-price": (items.c.price.desc(), items.c.id.desc()),
    "created_at": (items.c.created_at, items.c.id),
    "-created_at": (items.c.created_at.desc(), items.c.id.desc()),
    "carat": (items.c.carat, items.c.id),
    "-carat": (items.c.carat.desc().nulls_last(), items.c.id.desc()),
}


def _name_contains(part: str) -> ColumnElement[bool]:
    """Without an index: a trigram one needs an extension that not every Postgres has.

    pg_c_utf8 knows upper and lower case of every script, whatever the database's own locale knows.
    """
    escaped = part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    lowered = func.lower(collate(literal(f"%{escaped}%"), "pg_c_utf8"))
    return func.lower(collate(items.c.name, "pg_c_utf8")).like(lowered, escape="\\")


FILTERS: Final[Mapping[str, Callable[[Any], ColumnElement[bool]]]] = {
    "min_price": lambda bound: items.c.price >= bound,
    "max_price": lambda bound: items.c.price <= bound,
    "currency": lambda currency: items.c.currency == currency,
    "min_carat": lambda bound: items.c.carat >= bound,
    "max_carat": lambda bound: items.c.carat <= bound,
    "cut": lambda grade: items.c.features.contains({"cut": grade}),
    "color": lambda grade: items.c.features.contains({"color": grade}),
    "clarity": lambda grade: items.c.features.contains({"clarity": grade}),
    "owner_id": lambda owner_id: items.c.owner_id == owner_id,
    "q": _name_contains,
}


class ItemRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, values: Mapping[str, Any]) -> Item:
        result = await self._session.execute(insert(items).values(values).returning(*SHOWN))
        return Item.model_validate(result.one())

    async def get(self, item_id: int) -> Item | None:
        result = await self._session.execute(select(*SHOWN).where(items.c.id == item_id))
        row = result.one_or_none()
        return None if row is None else Item.model_validate(row)

    async def search(self, query: ItemQuery, page: Page) -> tuple[list[Item], int]:
        """One page of what fits, and how many fit in all."""
        given = query.model_dump(include=set(FILTERS), exclude_none=True)
        fits = [FILTERS[name](value) for name, value in given.items()]
        found = select(*SHOWN).where(*fits).order_by(*ORDERS[query.sort])
        rows = await self._session.execute(found.offset(page.skip).limit(page.limit))
        counted = select(func.count()).select_from(items).where(*fits)
        return [Item.model_validate(row) for row in rows], await self._session.scalar(counted) or 0

    async def update(self, item_id: int, changes: Mapping[str, Any]) -> Item | None:
        """One statement that names only what changes: two callers who change different things both succeed.

        The time is the clock's, not the transaction's: whoever waited for the row did write it later. A clock
        that was set back does not turn it back.
        """
        changed = update(items).where(items.c.id == item_id)
        values = {**changes, "updated_at": func.greatest(func.clock_timestamp(), items.c.updated_at)}
        result = await self._session.execute(changed.values(values).returning(*SHOWN))
        row = result.one_or_none()
        return None if row is None else Item.model_validate(row)

    async def delete(self, item_id: int) -> bool:
        """Whether there was one to delete."""
        gone = delete(items).where(items.c.id == item_id).returning(items.c.id)
        return (await self._session.execute(gone)).one_or_none() is not None


async def find_item(database: Database, item_id: int) -> Item | None:
    """In a session of its own that has ended when this returns, for whoever then waits for something else."""
    async with database.session() as session:
        return await ItemRepository(session).get(item_id)
