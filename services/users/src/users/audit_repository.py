"""The audit log in Postgres. Events are written in the transaction of the change that they record."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, insert, select

from shared.context import CURRENT
from shared.database import Connection
from shared.keyset import ID, List, Order
from shared.pages import Page, Slice
from users.domain import AuditEvent, AuditKind, AuditQuery
from users.tables import audit_events

NEWEST_FIRST: Final[Order[AuditEvent]] = Order(
    (audit_events.c.id,), lambda event: (event.id,), ID, descending=True
)


class AuditRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(
        self, kind: AuditKind, user_id: int | None, *, actor_id: int | None = None, **detail: Any
    ) -> None:
        """`actor_id` is who did it, if not `user_id` itself."""
        context = CURRENT.get()
        values = {
            "kind": kind,
            "user_id": user_id,
            "actor_id": actor_id if actor_id is not None else user_id,
            "request_id": context.request_id if context else "",
            "detail": detail,
        }
        await self._connection.execute(insert(audit_events).values(values))

    async def page(self, query: AuditQuery, page: Page) -> Slice[AuditEvent]:
        """The newest first. Raises CursorInvalid."""
        fits = []
        if query.user_id is not None:
            fits.append(audit_events.c.user_id == query.user_id)
        if query.kind is not None:
            fits.append(audit_events.c.kind == query.kind)
        found = select(audit_events).where(*fits)
        events = List(found, NEWEST_FIRST, lambda row: AuditEvent(**row), f"audit {query!r}")
        return await events.page(self._connection, page)

    async def forget(self, before: datetime) -> None:
        await self._connection.execute(delete(audit_events).where(audit_events.c.at < before))
