"""Owners in Postgres: what events have said of them. Most are unknown, which means active."""

from typing import Final

from sqlalchemy import BigInteger, and_, bindparam, func, or_, select
from sqlalchemy.dialects.postgresql import insert

from items.domain import OwnerState
from items.tables import owners
from shared.database import Connection, Statement

LOCKED: Final = 7_266_301  # any number that nothing else locks in this database
_OWNER: Final = func.hashint8(bindparam("owner_id", type_=BigInteger))
HOLD: Final = Statement(select(func.pg_advisory_xact_lock_shared(LOCKED, _OWNER)))
LOCK: Final = Statement(select(func.pg_advisory_xact_lock(LOCKED, _OWNER)))


class OwnerRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def hold(self, owner_id: int) -> None:
        """Until the transaction ends the owner's state stays as it is. Any number may hold it at once."""
        await self._connection.execute(HOLD, {"owner_id": owner_id})

    async def lock(self, owner_id: int) -> None:
        """Waits for those who hold it. Required before the state changes."""
        await self._connection.execute(LOCK, {"owner_id": owner_id})

    async def state(self, owner_id: int) -> OwnerState:
        known: OwnerState | None = await self._connection.scalar(
            select(owners.c.state).where(owners.c.id == owner_id)
        )
        return known or "active"

    async def learn(self, owner_id: int, state: OwnerState, sequence: int) -> None:
        """Unless something newer is known already. A deleted owner stays deleted."""
        added = insert(owners).values(id=owner_id, state=state, sequence=sequence)
        news = or_(added.excluded.state == "deleted", owners.c.sequence < added.excluded.sequence)
        learned = added.on_conflict_do_update(
            index_elements=["id"],
            set_={"state": added.excluded.state, "sequence": added.excluded.sequence},
            where=and_(owners.c.state != "deleted", news),
        )
        await self._connection.execute(learned)
