"""Keys in Postgres: those of API clients, and those that sign tokens."""

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert

from shared.database import Connection
from users.domain import ApiKey, StoredKey
from users.tables import api_keys, signing_keys

ONE_MINUTE = timedelta(minutes=1)
ROTATION_LOCK = 7_266_202  # any number that nothing else locks in this database


class ApiKeyRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, values: Mapping[str, Any]) -> ApiKey:
        row = (await self._connection.execute(insert(api_keys).values(values).returning(api_keys))).one()
        return ApiKey(**row)

    async def owned_by(self, user_id: int) -> Sequence[ApiKey]:
        query = select(api_keys).where(api_keys.c.user_id == user_id).order_by(api_keys.c.id)
        return [ApiKey(**row) for row in await self._connection.execute(query)]

    async def by_digest(self, digest: bytes) -> ApiKey | None:
        query = select(api_keys).where(api_keys.c.digest == digest)
        row = (await self._connection.execute(query)).one_or_none()
        return None if row is None else ApiKey(**row)

    async def used(self, key_id: int, now: datetime) -> None:
        """Records the use of a key, at most once a minute."""
        last = api_keys.c.last_used_at
        stale = update(api_keys).where(api_keys.c.id == key_id, or_(last.is_(None), last < now - ONE_MINUTE))
        await self._connection.execute(stale.values(last_used_at=now))

    async def renew(self, user_id: int) -> None:
        """Their tokens belong to other sessions from now on."""
        renewed = update(api_keys).where(api_keys.c.user_id == user_id)
        await self._connection.execute(renewed.values(generation=api_keys.c.generation + 1))

    async def remove(self, key_id: int, user_id: int) -> ApiKey | None:
        gone = delete(api_keys).where(api_keys.c.id == key_id, api_keys.c.user_id == user_id)
        row = (await self._connection.execute(gone.returning(api_keys))).one_or_none()
        return None if row is None else ApiKey(**row)

    async def forget(self, user_id: int, before: datetime) -> None:
        """Delete what expired before that."""
        over = delete(api_keys).where(api_keys.c.user_id == user_id, api_keys.c.expires_at < before)
        await self._connection.execute(over)


class SigningKeyRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def lock(self) -> None:
        """Only one rotation at a time, until the transaction ends."""
        await self._connection.execute(text(f"SELECT pg_advisory_xact_lock({ROTATION_LOCK})"))

    async def all(self) -> list[StoredKey]:
        rows = await self._connection.execute(select(signing_keys).order_by(signing_keys.c.signs_from))
        return [StoredKey(**row) for row in rows]

    async def add_if_missing(self, key: StoredKey) -> None:
        added = insert(signing_keys).values(dataclasses.asdict(key))
        await self._connection.execute(added.on_conflict_do_nothing())

    async def end_all(self, until: datetime) -> None:
        """Limits how long all keys verify."""
        earlier = func.least(signing_keys.c.verifies_until, until)
        await self._connection.execute(update(signing_keys).values(verifies_until=earlier))

    async def forget(self, before: datetime) -> None:
        """Delete generated keys that ended before that. The file's key stays, so it never signs again."""
        over = signing_keys.c.verifies_until < before
        await self._connection.execute(delete(signing_keys).where(over, signing_keys.c.sealed.is_not(None)))
