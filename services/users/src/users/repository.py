"""Accounts in Postgres. Permissions are checked by the services."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import bindparam, delete, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from shared.database import Connection, Statement
from shared.keyset import ID, List, Order
from shared.pages import Page, Slice
from users.domain import User
from users.exceptions import EmailTaken
from users.tables import users

_BY_ID: Final = select(users).where(users.c.id == bindparam("user_id"))
BY_ID: Final = Statement(_BY_ID)
LOCK: Final = Statement(_BY_ID.with_for_update())
BY_EMAIL: Final = Statement(select(users).where(users.c.email == bindparam("email")))
ADMINS_LOCK = 7_266_201  # any number that nothing else locks in this database
_IN_ORDER: Final[Order[User]] = Order((users.c.id,), lambda user: (user.id,), ID)
ALL: Final = List(select(users), _IN_ORDER, lambda row: User(**row), "users")


class UserRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, email: str, name: str, password_hash: str) -> User:
        """Raises EmailTaken: only the unique index can tell in a race."""
        values = {"email": email, "name": name, "password_hash": password_hash}
        try:
            row = (await self._connection.execute(insert(users).values(values).returning(users))).one()
        except IntegrityError as error:
            raise EmailTaken from error
        return User(**row)

    async def update(self, user_id: int, changes: Mapping[str, Any]) -> User | None:
        """With no changes it only reads. Raises EmailTaken."""
        if not changes:
            return await self.by_id(user_id)
        changed = update(users).where(users.c.id == user_id).values(changes).returning(users)
        try:
            row = (await self._connection.execute(changed)).one_or_none()
        except IntegrityError as error:
            raise EmailTaken from error
        return None if row is None else User(**row)

    async def by_id(self, user_id: int) -> User | None:
        row = (await self._connection.execute(BY_ID, {"user_id": user_id})).one_or_none()
        return None if row is None else User(**row)

    async def by_email(self, email: str) -> User | None:
        row = (await self._connection.execute(BY_EMAIL, {"email": email})).one_or_none()
        return None if row is None else User(**row)

    async def lock(self, user_id: int) -> User | None:
        """Locks the row. Required before changing an account or adding a session or key to it."""
        row = (await self._connection.execute(LOCK, {"user_id": user_id})).one_or_none()
        return None if row is None else User(**row)

    async def page(self, page: Page) -> Slice[User]:
        """By id. Raises CursorInvalid."""
        return await ALL.page(self._connection, page)

    async def other_admins(self, user_id: int) -> int:
        """The number of other active administrators. Only one transaction can count at a time.

        No deadlock: nobody who holds this lock waits for a row.
        """
        await self._connection.execute(text(f"SELECT pg_advisory_xact_lock({ADMINS_LOCK})"))
        others = select(func.count()).where(users.c.is_admin, users.c.is_active, users.c.id != user_id)
        return await self._connection.scalar(others) or 0

    async def remove(self, user_id: int) -> None:
        """With its sessions and keys."""
        await self._connection.execute(delete(users).where(users.c.id == user_id))
