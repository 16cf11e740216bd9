"""Facts that one service tells the others: a transactional outbox, a Redis stream, idempotent consumers.

A fact is written in the transaction that makes it true. The relay sends it at least once, in order; consumers
handle it once. Postgres remembers what was sent, so a Redis that loses its memory loses no fact.

What a service's own code needs is here. `relay`, `consumer` and `process` are for processes of their own.
"""

from shared.events.event import Event, Fact
from shared.events.handled import HandledRepository, handled_table
from shared.events.handlers import Handlers
from shared.events.outbox import OutboxRepository, outbox_table

__all__ = [
    "Event",
    "Fact",
    "HandledRepository",
    "Handlers",
    "OutboxRepository",
    "handled_table",
    "outbox_table",
]
