"""Widgets in Postgres. Permissions are checked by the rules."""

from collections.abc import Sequence

from sqlalchemy import func, insert, select

from shared.database import Connection
from shared.pagination import Page
from widgets.domain import Widget
from widgets.tables import widgets


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

    async def page_of(self, owner_id: int, page: Page) -> tuple[Sequence[Widget], int]:
        """The newest first, and how many there are in all."""
        owned = select(widgets).where(widgets.c.owner_id == owner_id)
        paged = owned.order_by(widgets.c.id.desc()).offset(page.skip).limit(page.limit)
        rows = await self._connection.execute(paged)
        total = await self._connection.scalar(select(func.count()).select_from(owned.subquery()))
        return [Widget(**row) for row in rows], total or 0
