"""Widgets in Postgres. Permissions are checked by the rules."""

from typing import Final

from sqlalchemy import insert, select

from shared import keyset
from shared.database import Connection
from shared.pages import Page, Slice
from widgets.domain import Widget
from widgets.tables import widgets

NEWEST_FIRST: Final = keyset.Order[Widget](
    (widgets.c.id,), lambda widget: (widget.id,), keyset.ID, descending=True
)


class WidgetRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, owner_id: int, name: str) -> Widget:
        values = {"owner_id": owner_id, "name": name}
        row = (await self._connection.execute(insert(widgets).values(values).returning(widgets))).one()
        return Widget(**row)

    async def by_id(self, widget_id: int) -> Widget | None:
        found = select(widgets).where(widgets.c.id == widget_id)
        row = (await self._connection.execute(found)).one_or_none()
        return None if row is None else Widget(**row)

    async def page_of(self, owner_id: int, page: Page) -> Slice[Widget]:
        """The newest first. Raises CursorInvalid."""
        found = select(widgets).where(widgets.c.owner_id == owner_id)
        owned = keyset.List(found, NEWEST_FIRST, lambda row: Widget(**row), f"widgets of {owner_id}")
        return await owned.page(self._connection, page)
