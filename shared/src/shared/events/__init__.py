"""Facts that one service tells the others: a transactional outbox, a Redis stream, idempotent consumers.

A fact is written in the transaction that makes it true. The relay sends it at least once, in order; consumers
handle it once. Postgres remembers what was sent, so a Redis that loses its memory loses no fact.

What every sender and every consumer needs is here, without a database and without Redis. `outbox` and
`handled` are for services with a database; `relay`, `consumer` and `process` are for processes of their own.
"""

from shared.events.event import Event, Fact
from shared.events.handlers import Handlers

__all__ = ["Event", "Fact", "Handlers"]
