"""Facts that one service tells the others: a transactional outbox, a Redis stream, idempotent consumers.

A fact is written in the transaction that makes it true. The relay sends it at least once, in order; consumers
handle it once. Postgres remembers what was sent, so a Redis that loses its memory loses no fact.
"""

from shared.events.consumer import Consumer
from shared.events.event import Event, Fact
from shared.events.handled import HandledRepository, handled_table
from shared.events.outbox import OutboxRepository, outbox_table
from shared.events.relay import Relay

__all__ = [
    "Consumer",
    "Event",
    "Fact",
    "HandledRepository",
    "OutboxRepository",
    "Relay",
    "handled_table",
    "outbox_table",
]
