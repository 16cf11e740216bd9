"""Where statements are executed: alone, or several in one transaction.

The rules say where a transaction begins and ends, for two reasons. No connection is held while a password is
hashed; and what must stay although the answer is an error (a session that ends because its old refresh token
came back) is committed before the error is raised.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

from shared.database import Connection, Database
from shared.deadline import transaction_deadline
from shared.events.outbox import OutboxRepository
from users.audit_repository import AuditRepository
from users.email_token_repository import EmailTokenRepository
from users.key_repository import ApiKeyRepository, SigningKeyRepository
from users.repository import UserRepository
from users.session_repository import EndedSessionRepository, SessionRepository


@dataclass(frozen=True, slots=True)
class Repositories:
    users: UserRepository
    sessions: SessionRepository
    ended: EndedSessionRepository
    keys: ApiKeyRepository
    signing_keys: SigningKeyRepository
    email_tokens: EmailTokenRepository
    audit: AuditRepository
    outbox: OutboxRepository

    @classmethod
    def on(cls, connection: Connection) -> Self:
        return cls(
            users=UserRepository(connection),
            sessions=SessionRepository(connection),
            ended=EndedSessionRepository(connection),
            keys=ApiKeyRepository(connection),
            signing_keys=SigningKeyRepository(connection),
            email_tokens=EmailTokenRepository(connection),
            audit=AuditRepository(connection),
            outbox=OutboxRepository(connection),
        )


class Transaction(Repositories):
    """Repositories whose statements take effect together, or not at all."""


class Store:
    """`autocommit` executes each statement by itself: for a rule that needs one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.autocommit = Repositories.on(database.autocommit)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Commits at the end of the block, rolls back on an error. Slow is DatabaseUnavailable."""
        async with transaction_deadline(), self._database.transaction() as connection:
            yield Transaction.on(connection)
