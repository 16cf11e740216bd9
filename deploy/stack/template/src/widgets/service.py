"""The rules: everybody has widgets of their own, and sees no others."""

from shared.identity import Caller
from shared.logging import get_logger
from shared.pages import Page, Slice
from widgets.domain import Widget
from widgets.exceptions import WidgetNotFound
from widgets.store import Store

log = get_logger()


class WidgetService:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def create(self, name: str, caller: Caller) -> Widget:
        widget = await self._store.autocommit.widgets.add(caller.id, name)
        log.info("widget_created", widget_id=widget.id, owner_id=caller.id)
        return widget

    async def owned(self, page: Page, caller: Caller) -> Slice[Widget]:
        """One page. Raises CursorInvalid."""
        async with self._store.transaction() as tx:
            return await tx.widgets.page_of(caller.id, page)

    async def read(self, widget_id: int, caller: Caller) -> Widget:
        """Somebody else's looks missing: whether it exists is not the caller's business."""
        widget = await self._store.autocommit.widgets.by_id(widget_id)
        if widget is None or widget.owner_id != caller.id:
            raise WidgetNotFound(widget_id)
        return widget
