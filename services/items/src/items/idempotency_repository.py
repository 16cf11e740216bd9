"""First answers to requests with an `Idempotency-Key`, in Postgres."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from pydantic import TypeAdapter
from sqlalchemy import delete, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from items.domain import Item
from items.tables import idempotency_keys as keys
from shared.database import Connection

FORGOTTEN: Final = 10_000  # keys that one statement deletes at the most: it must end in time
_ITEM: Final = TypeAdapter(Item)


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """`fingerprint` is of the request that was answered so."""

    fingerprint: bytes
    item: Item


class IdempotencyRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def claim(
        self, caller_id: int, key: str, fingerprint: bytes, lifetime: timedelta
    ) -> FirstAnswer | None:
        """None if the key is the caller's to use; whoever claims it at the same time waits for the end.

        A key that is older than `lifetime` counts as unused.
        """
        fresh = {"fingerprint": fingerprint, "answer": "", "created_at": func.clock_timestamp()}
        claimed = insert(keys).values(caller_id=caller_id, key=key, **fresh)
        expired = keys.c.created_at < func.clock_timestamp() - lifetime
        claimed = claimed.on_conflict_do_update(
            index_elements=["caller_id", "key"], set_=fresh, where=expired
        )
        if (await self._connection.execute(claimed)).rowcount:
            return None
        query = select(keys.c.fingerprint, keys.c.answer).where(
            keys.c.caller_id == caller_id, keys.c.key == key
        )
        row = (await self._connection.execute(query)).one()
        return FirstAnswer(row.fingerprint, _ITEM.validate_json(row.answer))

    async def answer(self, caller_id: int, key: str, item: Item) -> None:
        """In the transaction that claimed the key and made the listing: both are there, or neither."""
        claimed = update(keys).where(keys.c.caller_id == caller_id, keys.c.key == key)
        await self._connection.execute(claimed.values(answer=_ITEM.dump_json(item).decode()))

    async def forget(self, lifetime: timedelta) -> int:
        """Deletes those that are older, FORGOTTEN at the most. Returns how many those were."""
        expired = select(keys.c.caller_id, keys.c.key).where(keys.c.created_at < func.now() - lifetime)
        oldest = expired.order_by(keys.c.created_at).limit(FORGOTTEN)
        gone = delete(keys).where(tuple_(keys.c.caller_id, keys.c.key).in_(oldest))
        return (await self._connection.execute(gone)).rowcount
