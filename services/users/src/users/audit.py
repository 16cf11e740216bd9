"""The audit log: what happened to accounts, for administrators."""

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

from shared.background import repeated
from shared.pages import Page, Slice
from users.clock import utc_now
from users.domain import AuditEvent, AuditQuery
from users.store import Store

LOOK = 3600.0  # seconds between two looks for old events


class AuditService:
    def __init__(self, store: Store, keep_days: int) -> None:
        self._store = store
        self._keep = timedelta(days=keep_days)

    async def page(self, query: AuditQuery, page: Page) -> Slice[AuditEvent]:
        """The newest first. Raises CursorInvalid."""
        return await self._store.autocommit.audit.page(query, page)

    @contextlib.asynccontextmanager
    async def forgetting(self) -> AsyncIterator[None]:
        """Deletes old events for as long as the block runs."""
        async with repeated(self.forget, "forget_audit_events", pause=LOOK):
            yield

    async def forget(self) -> None:
        await self._store.autocommit.audit.forget(utc_now() - self._keep)
