"""Tokens that were sent by mail, in Postgres: only their digests."""

import dataclasses
from datetime import datetime

from sqlalchemy import delete, exists, insert, select

from shared.database import Connection
from users.domain import EmailToken, Purpose
from users.tables import email_tokens


class EmailTokenRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def replace(self, token: EmailToken) -> None:
        """Also deletes the account's earlier tokens for the same purpose."""
        earlier = delete(email_tokens).where(
            email_tokens.c.user_id == token.user_id, email_tokens.c.purpose == token.purpose
        )
        await self._connection.execute(earlier)
        await self._connection.execute(insert(email_tokens).values(dataclasses.asdict(token)))

    async def is_recent(self, user_id: int, purpose: Purpose, since: datetime, now: datetime) -> bool:
        """One of the future is not: the clock was set back since."""
        made = exists().where(
            email_tokens.c.user_id == user_id,
            email_tokens.c.purpose == purpose,
            email_tokens.c.created_at.between(since, now),
        )
        return bool(await self._connection.scalar(select(made)))

    async def by_digest(self, digest: bytes, now: datetime) -> EmailToken | None:
        query = select(email_tokens).where(email_tokens.c.digest == digest, email_tokens.c.expires_at > now)
        row = (await self._connection.execute(query)).one_or_none()
        return None if row is None else EmailToken(**row)

    async def consume(self, digest: bytes) -> bool:
        """Deletes it. True for one of two concurrent uses."""
        used = delete(email_tokens).where(email_tokens.c.digest == digest)
        return (await self._connection.execute(used)).rowcount == 1

    async def withdraw(self, user_id: int) -> None:
        """Deletes what could take over the account: for when its password has changed."""
        dangerous = email_tokens.c.purpose.in_(("change", "reset"))
        theirs = delete(email_tokens).where(email_tokens.c.user_id == user_id, dangerous)
        await self._connection.execute(theirs)

    async def forget(self, before: datetime) -> None:
        await self._connection.execute(delete(email_tokens).where(email_tokens.c.expires_at < before))
