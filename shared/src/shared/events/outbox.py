"""The outbox: facts that wait in Postgres until they were sent and handled, and for some days after."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    MetaData,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.context import CURRENT
from shared.database import Connection, Statement
from shared.events.event import Event, Fact

COUNTED: Final = 10_000  # unsent events that are counted at the most: relays ask often
CHANGED: Final = 10_000  # events that one statement changes at the most: it must end in time
LOCK: Final = 7_266_123  # any number that only relays use: one at a time sends a database's events
NAME: Final = "outbox"


def outbox_table(metadata: MetaData) -> Table:
    """`position` is where the event stands in the stream; none until it was sent."""
    table = Table(
        NAME,
        metadata,
        Column("sequence", BigInteger, Identity(), primary_key=True),
        Column("id", Text, nullable=False),
        Column("kind", Text, nullable=False),
        Column("version", BigInteger, nullable=False),
        Column("occurred_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
        Column("request_id", Text, nullable=False),
        Column("data", JSONB, nullable=False),
        Column("position", BigInteger),
    )
    Index("ix_outbox_unsent", table.c.sequence, postgresql_where=table.c.position.is_(None))
    Index("ix_outbox_position", table.c.position)
    Index("ix_outbox_occurred_at", table.c.occurred_at)
    return table


_outbox: Final = outbox_table(MetaData())
_FIELDS: Final = [_outbox.c[name] for name in Event.model_fields]
ADD: Final = Statement(insert(_outbox), columns=("id", "kind", "version", "request_id", "data"))
MARK: Final = Statement(
    update(_outbox).where(_outbox.c.sequence == bindparam("of")).values(position=bindparam("at"))
)


class OutboxRepository:
    """Statements on one transaction's connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, *facts: Fact) -> None:
        """The last act of a transaction whose first locked the subject: then `sequence` is in order."""
        context = CURRENT.get()
        rows = [
            {
                "id": str(uuid.uuid4()),
                "kind": fact.kind,
                "version": fact.version,
                "request_id": context.request_id if context else "",
                "data": fact.model_dump(mode="json"),
            }
            for fact in facts
        ]
        if len(rows) == 1:
            await self._connection.execute(ADD, rows[0])
        elif rows:
            await self._connection.execute_many(ADD, rows)

    async def lock(self) -> bool:
        """True for one relay at a time, until its transaction ends."""
        return bool(await self._connection.scalar(select(func.pg_try_advisory_xact_lock(LOCK))))

    async def unsent(self, limit: int) -> Sequence[Event]:
        """Locks them: a Postgres that may only be read fails here, and not only after they were sent."""
        query = select(*_FIELDS).where(_outbox.c.position.is_(None)).order_by(_outbox.c.sequence).limit(limit)
        return [Event(**row) for row in await self._connection.execute(query.with_for_update())]

    async def backlog(self) -> tuple[int, float]:
        """How many wait, up to COUNTED, and for how many seconds the oldest has."""
        waits = select(_outbox.c.occurred_at).where(_outbox.c.position.is_(None))
        some = waits.order_by(_outbox.c.sequence).limit(COUNTED).subquery()
        age = func.extract("epoch", func.clock_timestamp() - func.min(some.c.occurred_at))
        query = select(func.count(), func.coalesce(age, 0)).select_from(some)
        number, seconds = (await self._connection.execute(query)).one()
        return number, max(0.0, float(seconds))

    async def last_position(self) -> int:
        return await self._connection.scalar(select(func.max(_outbox.c.position))) or 0

    async def mark_sent(self, positions: Mapping[int, int]) -> None:
        """`positions` by sequence."""
        await self._connection.execute_many(MARK, [{"of": key, "at": at} for key, at in positions.items()])

    async def send_again(self) -> int:
        """What was sent and is kept waits again, the oldest CHANGED of it. Returns how many those are."""
        sent = select(_outbox.c.sequence).where(_outbox.c.position.is_not(None))
        oldest = sent.order_by(_outbox.c.position).limit(CHANGED)
        lost = update(_outbox).where(_outbox.c.sequence.in_(oldest)).values(position=None)
        return (await self._connection.execute(lost)).rowcount

    async def forget(self, age: timedelta, finished: int | None) -> int:
        """Deletes what was sent, up to the position `finished` if one is given, and is older than `age`: the
        oldest CHANGED of it. Returns how many those are."""
        sent = _outbox.c.position.is_not(None) if finished is None else _outbox.c.position <= finished
        old = _outbox.c.occurred_at < func.now() - age  # `clock_timestamp` is no bound of an index
        oldest = select(_outbox.c.sequence).where(old, sent).order_by(_outbox.c.occurred_at).limit(CHANGED)
        gone = delete(_outbox).where(_outbox.c.sequence.in_(oldest))
        return (await self._connection.execute(gone)).rowcount
