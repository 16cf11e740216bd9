"""Listings in Postgres. Permissions are checked by the services."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    bindparam,
    collate,
    delete,
    exists,
    func,
    insert,
    literal,
    select,
    update,
)

from items.domain import Item, Search, Sort
from items.tables import items, owners
from shared.database import Connection, Statement
from shared.pagination import Page

SHOWN: Final = tuple(items.c[field.name] for field in fields(Item))
VISIBLE: Final = items.c.hidden.is_(False)
_BY_ID: Final = select(*SHOWN).where(items.c.id == bindparam("item_id"), VISIBLE)
BY_ID: Final = Statement(_BY_ID)
LOCK: Final = Statement(_BY_ID.with_for_update())
GIVEN: Final = ("name", "description", "price", "currency", "features", "owner_id")
_GIVEN: Final = [bindparam(name, type_=items.c[name].type) for name in GIVEN]
_INACTIVE: Final = exists().where(owners.c.id == bindparam("owner_id"), owners.c.state != "active")
ADD: Final = Statement(insert(items).from_select(GIVEN, select(*_GIVEN).where(~_INACTIVE)).returning(*SHOWN))

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
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, values: Mapping[str, Any]) -> Item | None:
        """None if the owner is not active any more. The owner must be held."""
        row = (await self._connection.execute(ADD, values)).one_or_none()
        return None if row is None else Item(**row)

    async def by_id(self, item_id: int) -> Item | None:
        row = (await self._connection.execute(BY_ID, {"item_id": item_id})).one_or_none()
        return None if row is None else Item(**row)

    async def lock(self, item_id: int) -> Item | None:
        """Locks the row. Required before changing or removing a listing."""
        row = (await self._connection.execute(LOCK, {"item_id": item_id})).one_or_none()
        return None if row is None else Item(**row)

    async def search(self, query: Search, page: Page) -> tuple[Sequence[Item], int]:
        """One page of the matches, and the number of all matches."""
        fits = [VISIBLE] + [
            condition(value)
            for name, condition in FILTERS.items()
            if (value := getattr(query, name)) is not None
        ]
        found = select(*SHOWN).where(*fits).order_by(*ORDERS[query.sort])
        rows = await self._connection.execute(found.offset(page.skip).limit(page.limit))
        total = await self._connection.scalar(select(func.count()).select_from(items).where(*fits))
        return [Item(**row) for row in rows], total or 0

    async def update(self, item_id: int, changes: Mapping[str, Any]) -> Item:
        """Sets only what changes. The row must be locked.

        The time is the clock's, not the transaction's, which may have waited for the row. A clock that was
        set back does not set it back.
        """
        values = {**changes, "updated_at": func.greatest(func.clock_timestamp(), items.c.updated_at)}
        changed = update(items).where(items.c.id == item_id).values(values).returning(*SHOWN)
        return Item(**(await self._connection.execute(changed)).one())

    async def remove(self, item_id: int) -> None:
        await self._connection.execute(delete(items).where(items.c.id == item_id))

    async def remove_some(self, owner_id: int, most: int) -> Sequence[int]:
        """The ids of those that were removed, hidden ones too. The owner must be locked."""
        some = select(items.c.id).where(items.c.owner_id == owner_id).limit(most)
        removed = delete(items).where(items.c.id.in_(some)).returning(items.c.id)
        return await self._connection.scalars(removed)

    async def set_hidden(self, owner_id: int, *, hidden: bool, most: int) -> int:
        """How many changed. The owner must be locked."""
        wrong = select(items.c.id).where(items.c.owner_id == owner_id, items.c.hidden.is_not(hidden))
        changed = update(items).where(items.c.id.in_(wrong.limit(most))).values(hidden=hidden)
        return (await self._connection.execute(changed)).rowcount
