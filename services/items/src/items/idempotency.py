"""The rules of `Idempotency-Key`: a repeated request gets its first answer and does nothing again."""

import contextlib
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final

from items.domain import Item
from items.exceptions import IdempotencyKeyReused
from items.schemas import NewItem
from items.store import Store, Transaction
from shared.background import repeated
from shared.identity import Caller

LOOK: Final = 600.0  # seconds between two looks for expired keys


class Idempotency:
    """A key belongs to its caller. One that is in use makes the second request wait for the first."""

    def __init__(self, store: Store, hours: int) -> None:
        self._store = store
        self._lifetime = timedelta(hours=hours)

    async def first_answer(self, tx: Transaction, key: str, new: NewItem, caller: Caller) -> Item | None:
        """None if this is the first request with the key. Raises IdempotencyKeyReused for another body."""
        fingerprint = hashlib.sha256(new.model_dump_json().encode()).digest()
        first = await tx.idempotency.claim(caller.id, key, fingerprint, self._lifetime)
        if first is None:
            return None
        if first.fingerprint != fingerprint:
            raise IdempotencyKeyReused
        return first.item

    @contextlib.asynccontextmanager
    async def forgetting(self) -> AsyncIterator[None]:
        """Deletes expired keys for as long as the block runs."""
        async with repeated(self.forget, "forget_idempotency_keys", pause=LOOK):
            yield

    async def forget(self) -> None:
        while await self._store.autocommit.idempotency.forget(self._lifetime):
            pass
