"""Which events a consumer has handled, in the consumer's own database."""

from datetime import timedelta
from typing import Final

from sqlalchemy import Column, DateTime, MetaData, Table, Text, delete, func
from sqlalchemy.dialects.postgresql import insert

from shared.database import Connection


def handled_table(metadata: MetaData) -> Table:
    return Table(
        "handled_events",
        metadata,
        Column("id", Text, primary_key=True),
        Column("handled_at", DateTime(timezone=True), nullable=False, server_default=func.now(), index=True),
    )


_handled: Final = handled_table(MetaData())


class HandledRepository:
    """Statements on one transaction's connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, event_id: str) -> bool:
        """True the first time. Call it in the transaction that does what the event asks for."""
        new = insert(_handled).values(id=event_id).on_conflict_do_nothing()
        return (await self._connection.execute(new)).rowcount == 1

    async def forget(self, age: timedelta) -> None:
        """Must keep longer than outboxes do: what is forgotten here and sent again is handled again."""
        old = _handled.c.handled_at < func.now() - age
        await self._connection.execute(delete(_handled).where(old))
