"""Listings in Postgres. Permissions are checked by the services."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from asyncpg import QueryCanceledError
from sqlalchemy import BigInteger, bindparam, column, delete, exists, func, insert, select, update
from sqlalchemy.dialects.postgresql import JSONB

from items.domain import Item, Search
from items.exceptions import SearchTimeout
from items.searching import SHOWN, VISIBLE, listing
from items.tables import items, owners
from shared.database import Connection, Statement
from shared.exceptions import DatabaseUnavailable
from shared.large_totals import LargeTotals
from shared.pages import Page, Slice

_BY_ID: Final = select(*SHOWN).where(items.c.id == bindparam("item_id"), VISIBLE)
BY_ID: Final = Statement(_BY_ID)
LOCK: Final = Statement(_BY_ID.with_for_update())
GIVEN: Final = ("name", "description", "price", "currency", "features", "owner_id")
_GIVEN: Final = [bindparam(name, type_=items.c[name].type) for name in GIVEN]
_INACTIVE: Final = exists().where(owners.c.id == bindparam("owner_id"), owners.c.state != "active")
ADD: Final = Statement(insert(items).from_select(GIVEN, select(*_GIVEN).where(~_INACTIVE)).returning(*SHOWN))
# Many at once, as one value: the statement's text stays the same for any number.
_NEW: Final = (
    func.jsonb_to_recordset(bindparam("new", type_=JSONB))
    .table_valued(*(column(name, items.c[name].type) for name in GIVEN if name != "owner_id"), name="new")
    .render_derived(with_types=True)
)
_OWNED: Final = select(*_NEW.c, bindparam("owner_id", type_=BigInteger)).where(~_INACTIVE)
ADD_MANY: Final = Statement(insert(items).from_select(GIVEN, _OWNED).returning(*SHOWN))


class ItemRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._large = LargeTotals()

    async def add(self, values: Mapping[str, Any]) -> Item | None:
        """None if the owner is not active any more. The owner must be held."""
        row = (await self._connection.execute(ADD, values)).one_or_none()
        return None if row is None else Item(**row)

    async def add_many(self, owner_id: int, new: Sequence[Mapping[str, Any]]) -> list[Item]:
        """`new` as JSON has it. None at all if the owner is not active any more. The owner must be held."""
        rows = await self._connection.execute(ADD_MANY, {"owner_id": owner_id, "new": new})
        return [Item(**row) for row in rows]

    async def by_id(self, item_id: int) -> Item | None:
        row = (await self._connection.execute(BY_ID, {"item_id": item_id})).one_or_none()
        return None if row is None else Item(**row)

    async def lock(self, item_id: int) -> Item | None:
        """Locks the row. Required before changing or removing a listing."""
        row = (await self._connection.execute(LOCK, {"item_id": item_id})).one_or_none()
        return None if row is None else Item(**row)

    async def search(self, query: Search, page: Page) -> Slice[Item]:
        """One page of the matches. Raises CursorInvalid or SearchTimeout."""
        try:
            return await listing(query).page(self._connection, page, self._large)
        except DatabaseUnavailable as error:
            if isinstance(error.__cause__, QueryCanceledError):
                raise SearchTimeout from error
            raise

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
