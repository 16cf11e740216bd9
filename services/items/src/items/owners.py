"""The rules of owners: a deactivated account's listings are hidden, and a deleted account's are gone."""

from typing import Final

from items.domain import OwnerState
from items.events import ItemDeleted
from items.store import Store
from shared.logging import get_logger
from shared.read_cache import Changes

BATCH: Final = 1000  # listings in one transaction
log = get_logger()


class OwnerService:
    """`sequence` is the event's: what is older than the newest known one changes nothing, so events may be
    repeated and come out of order."""

    def __init__(self, store: Store, changes: Changes) -> None:
        self._store = store
        self._changes = changes

    async def hide(self, owner_id: int, sequence: int) -> None:
        await self._become(owner_id, "deactivated", sequence)

    async def show(self, owner_id: int, sequence: int) -> None:
        await self._become(owner_id, "active", sequence)

    async def end(self, owner_id: int, sequence: int) -> None:
        await self._become(owner_id, "deleted", sequence)

    async def _become(self, owner_id: int, state: OwnerState, sequence: int) -> None:
        """Once the state is known nothing new is listed. The listings follow, also after a crash between."""
        async with self._store.transaction() as tx:
            await tx.owners.lock(owner_id)
            await tx.owners.learn(owner_id, state, sequence)
        changed = 0
        while batch := await self._settle_some(owner_id):
            changed += batch
        await self._changes.tell()
        log.info("owner_changed", owner_id=owner_id, state=state, listings=changed)

    async def _settle_some(self, owner_id: int) -> int:
        """Brings listings in line with what is known of their owner. Returns how many were not."""
        async with self._store.transaction() as tx:
            await tx.owners.lock(owner_id)
            state = await tx.owners.state(owner_id)
            if state != "deleted":
                return await tx.items.set_hidden(owner_id, hidden=state == "deactivated", most=BATCH)
            ids = await tx.items.remove_some(owner_id, BATCH)
            await tx.outbox.add(*(ItemDeleted(item_id=item_id, owner_id=owner_id) for item_id in ids))
            return len(ids)
