"""Sessions in Postgres, and the recently ended ones."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, bindparam, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from shared.database import Connection, Statement
from users.domain import Session
from users.tables import ended_sessions, sessions

BY_ID: Final = Statement(select(sessions).where(sessions.c.id == bindparam("session_id")))
_OF_FAMILY: Final = select(sessions).where(sessions.c.family_digest == bindparam("family"))
LOCK: Final = Statement(_OF_FAMILY.with_for_update())
_NOW: Final = bindparam("now", type_=sessions.c.used_at.type)
_ROTATED: Final = {
    "previous_digest": sessions.c.refresh_digest,
    "refresh_digest": bindparam("successor", type_=sessions.c.refresh_digest.type),
    "rotated_at": _NOW,
    "used_at": _NOW,
}
ROTATE: Final = Statement(update(sessions).where(sessions.c.id == bindparam("session_id")).values(_ROTATED))


class SessionRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, values: Mapping[str, Any]) -> Session:
        row = (await self._connection.execute(insert(sessions).values(values).returning(sessions))).one()
        return Session(**row)

    async def rotate(self, session: Session, successor: bytes, now: datetime) -> None:
        """Keeps the previous digest, for a client that retries. The row must be locked."""
        await self._connection.execute(ROTATE, {"session_id": session.id, "successor": successor, "now": now})

    async def live(self, user_id: int, now: datetime) -> list[Session]:
        """The last used first."""
        query = (
            select(sessions)
            .where(sessions.c.user_id == user_id, sessions.c.ended_at.is_(None), sessions.c.expires_at > now)
            .order_by(sessions.c.used_at.desc(), sessions.c.id)
        )
        return [Session(**row) for row in await self._connection.execute(query)]

    async def by_id(self, session_id: str) -> Session | None:
        row = (await self._connection.execute(BY_ID, {"session_id": session_id})).one_or_none()
        return None if row is None else Session(**row)

    async def lock(self, family_digest: bytes) -> Session | None:
        """Locks the row, so that concurrent refreshes run one after the other."""
        row = (await self._connection.execute(LOCK, {"family": family_digest})).one_or_none()
        return None if row is None else Session(**row)

    async def end(self, session_id: str, now: datetime) -> None:
        live = update(sessions).where(sessions.c.id == session_id, sessions.c.ended_at.is_(None))
        await self._connection.execute(live.values(ended_at=now))

    async def end_all(self, user_id: int, now: datetime, except_session: str | None = None) -> list[str]:
        """The ids of those that were ended."""
        live = update(sessions).where(
            sessions.c.user_id == user_id,
            sessions.c.ended_at.is_(None),
            sessions.c.id.is_distinct_from(except_session),
        )
        ended = await self._connection.scalars(live.values(ended_at=now).returning(sessions.c.id))
        return list(ended)

    async def forget(self, user_id: int, before: datetime) -> None:
        """Delete what expired or ended before that."""
        over = or_(sessions.c.expires_at < before, sessions.c.ended_at < before)
        await self._connection.execute(delete(sessions).where(sessions.c.user_id == user_id, over))


class EndedSessionRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, user_id: int, session_ids: Sequence[str], until: datetime) -> None:
        if not session_ids:
            return
        rows = [{"session_id": one, "user_id": user_id, "until": until} for one in session_ids]
        added = insert(ended_sessions).values(rows)
        later = func.greatest(ended_sessions.c.until, added.excluded.until)
        await self._connection.execute(
            added.on_conflict_do_update(index_elements=["session_id"], set_={"until": later})
        )

    async def of_user(self, user_id: int, now: datetime) -> dict[str, float]:
        """Unix seconds by session id."""
        return await self._listed(ended_sessions.c.user_id == user_id, ended_sessions.c.until > now)

    async def all(self, now: datetime) -> dict[str, float]:
        """Unix seconds by session id."""
        return await self._listed(ended_sessions.c.until > now)

    async def _listed(self, *conditions: ColumnElement[bool]) -> dict[str, float]:
        query = select(ended_sessions.c.session_id, ended_sessions.c.until).where(*conditions)
        rows = await self._connection.execute(query)
        return {session_id: until.timestamp() for session_id, until in rows}

    async def forget(self, before: datetime) -> None:
        """Delete those whose tokens had expired before that."""
        await self._connection.execute(delete(ended_sessions).where(ended_sessions.c.until < before))
