"""What the rules ask of Postgres: one transaction at a time, and no rule in here."""

import dataclasses
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from shared.database import Database
from shared.pagination import Page
from users.exceptions import EmailTaken
from users.key_ring import StoredKey
from users.tables import ApiKey, EndedSession, Session, SigningKey, User

ADMINS_LOCK = 7_266_201  # any numbers that nothing else locks in this database
KEYS_LOCK = 7_266_202


class UserRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, email: str, name: str, password_hash: str) -> User:
        """Raises EmailTaken."""
        user = User(email=email, name=name, password_hash=password_hash)
        self._session.add(user)
        await self.save()
        return user

    async def save(self) -> None:
        """Write what was changed. Raises EmailTaken: only the unique index can tell in a race."""
        try:
            await self._session.flush()
        except IntegrityError as error:
            raise EmailTaken from error

    async def by_id(self, user_id: int) -> User | None:
        return await self._session.get(User, user_id)

    async def by_email(self, email: str) -> User | None:
        found = await self._session.execute(select(User).where(User.email == email))
        return found.scalar_one_or_none()

    async def lock(self, user_id: int) -> User | None:
        """Whoever changes an account, or adds a session or a key to it, holds its row until the end."""
        return await self._session.get(User, user_id, with_for_update=True)

    async def page(self, page: Page) -> tuple[Sequence[User], int]:
        rows = await self._session.scalars(select(User).order_by(User.id).offset(page.skip).limit(page.limit))
        total = await self._session.scalar(select(func.count()).select_from(User))
        return rows.all(), total or 0

    async def other_admins(self, user_id: int) -> int:
        """How many active ones there are beside this one. No two transactions can count at once.

        No deadlock: nobody who holds this lock waits for a row.
        """
        await self._session.execute(text(f"SELECT pg_advisory_xact_lock({ADMINS_LOCK})"))
        others = select(func.count()).where(User.is_admin, User.is_active, User.id != user_id)
        return await self._session.scalar(others) or 0

    async def remove(self, user: User) -> None:
        """With its sessions and keys."""
        await self._session.delete(user)
        await self._session.flush()


class SessionRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, **columns: Any) -> Session:
        added = Session(**columns)
        self._session.add(added)
        await self._session.flush()
        return added

    async def lock(self, family_digest: bytes) -> Session | None:
        """So that of two refreshes with one token the second sees what the first did."""
        query = select(Session).where(Session.family_digest == family_digest).with_for_update()
        return (await self._session.execute(query)).scalar_one_or_none()

    async def end(self, session_id: str, now: datetime) -> None:
        await self._session.execute(
            update(Session).where(Session.id == session_id, Session.ended_at.is_(None)).values(ended_at=now)
        )

    async def end_all(self, user_id: int, now: datetime, except_session: str | None = None) -> list[str]:
        """The ids of those that were ended."""
        ended = await self._session.scalars(
            update(Session)
            .where(
                Session.user_id == user_id,
                Session.ended_at.is_(None),
                Session.id.is_distinct_from(except_session),
            )
            .values(ended_at=now)
            .returning(Session.id)
        )
        return list(ended)

    async def forget(self, user_id: int, before: datetime) -> None:
        """Delete what expired or ended before that."""
        over = or_(Session.expires_at < before, Session.ended_at < before)
        await self._session.execute(delete(Session).where(Session.user_id == user_id, over))


class ApiKeyRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, **columns: Any) -> ApiKey:
        added = ApiKey(**columns)
        self._session.add(added)
        await self._session.flush()
        return added

    async def owned_by(self, user_id: int) -> Sequence[ApiKey]:
        found = await self._session.scalars(
            select(ApiKey).where(ApiKey.user_id == user_id).order_by(ApiKey.id)
        )
        return found.all()

    async def by_digest(self, digest: bytes) -> tuple[ApiKey, User] | None:
        query = select(ApiKey, User).join(User, User.id == ApiKey.user_id).where(ApiKey.digest == digest)
        row = (await self._session.execute(query)).one_or_none()
        return None if row is None else (row[0], row[1])

    async def remove(self, key_id: int, user_id: int) -> ApiKey | None:
        removed = await self._session.scalars(
            delete(ApiKey).where(ApiKey.id == key_id, ApiKey.user_id == user_id).returning(ApiKey)
        )
        return removed.one_or_none()

    async def forget(self, user_id: int, before: datetime) -> None:
        """Delete what expired before that."""
        await self._session.execute(
            delete(ApiKey).where(ApiKey.user_id == user_id, ApiKey.expires_at < before)
        )


class EndedSessionRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, user_id: int, session_ids: Sequence[str], until: datetime) -> None:
        if not session_ids:
            return
        rows = [{"session_id": one, "user_id": user_id, "until": until} for one in session_ids]
        added = insert(EndedSession).values(rows)
        await self._session.execute(
            added.on_conflict_do_update(
                index_elements=["session_id"],
                set_={"until": func.greatest(EndedSession.until, added.excluded.until)},
            )
        )

    async def of_user(self, user_id: int, now: datetime) -> dict[str, float]:
        """Unix seconds by session id."""
        return await self._listed(EndedSession.user_id == user_id, EndedSession.until > now)

    async def all(self, now: datetime) -> dict[str, float]:
        """Unix seconds by session id."""
        return await self._listed(EndedSession.until > now)

    async def _listed(self, *conditions: ColumnElement[bool]) -> dict[str, float]:
        query = select(EndedSession.session_id, EndedSession.until).where(*conditions)
        rows = await self._session.execute(query)
        return {session_id: until.timestamp() for session_id, until in rows}

    async def forget(self, before: datetime) -> None:
        """Delete those whose tokens had expired before that."""
        await self._session.execute(delete(EndedSession).where(EndedSession.until < before))


class SigningKeyRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def lock(self) -> None:
        """Until the transaction ends: one rotation at a time."""
        await self._session.execute(text(f"SELECT pg_advisory_xact_lock({KEYS_LOCK})"))

    async def all(self) -> list[StoredKey]:
        columns = SigningKey.__table__.columns
        rows = await self._session.execute(select(*columns).order_by(SigningKey.signs_from))
        return [StoredKey(**row) for row in rows.mappings()]

    async def add_if_missing(self, key: StoredKey) -> None:
        added = insert(SigningKey).values(**dataclasses.asdict(key))
        await self._session.execute(added.on_conflict_do_nothing())

    async def end_all(self, until: datetime) -> None:
        """None verifies for longer than that."""
        await self._session.execute(
            update(SigningKey).values(verifies_until=func.least(SigningKey.verifies_until, until))
        )

    async def forget(self, before: datetime) -> None:
        """Delete made keys that ended before that. The file's stays on record: it must not sign again."""
        over = SigningKey.verifies_until < before
        await self._session.execute(delete(SigningKey).where(over, SigningKey.sealed.is_not(None)))


@dataclass(frozen=True, slots=True)
class Transaction:
    users: UserRepository
    sessions: SessionRepository
    keys: ApiKeyRepository
    ended: EndedSessionRepository
    signing_keys: SigningKeyRepository


class Store:
    """Opens transactions. The rules say where one begins and ends, for two reasons.

    No connection is held while a password is hashed; and what must stay although the answer is an error
    (a session that ends because its old refresh token came back) is committed before the error is raised.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Commits at the end of the block, rolls back on an error."""
        async with self._database.session() as session:
            yield Transaction(
                UserRepository(session),
                SessionRepository(session),
                ApiKeyRepository(session),
                EndedSessionRepository(session),
                SigningKeyRepository(session),
            )
