"""Imports in Postgres: how far each is, and its wrong lines."""

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import timedelta
from typing import Final

from pydantic import TypeAdapter
from sqlalchemy import delete, func, insert, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert

from items.domain import Import, WrongLine
from items.tables import import_errors as errors
from items.tables import imports
from shared.database import Connection, Statement
from shared.keyset import Id, List, Order
from shared.pages import Page, Slice

FORGOTTEN: Final = 10  # imports that one statement deletes at the most: each may have many wrong lines
_SHOWN: Final = tuple(imports.c[field.name] for field in fields(Import))
_WRONG: Final = tuple(errors.c[field.name] for field in fields(WrongLine))
_BY_LINE: Final[Order[WrongLine]] = Order(
    (errors.c.line,), lambda wrong: (wrong.line,), TypeAdapter(tuple[Id])
)
ADD_WRONG: Final = Statement(
    insert(errors), columns=("caller_id", "import_id", *(field.name for field in fields(WrongLine)))
)


class ImportRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def lock(self, caller_id: int, import_id: str) -> Import:
        """Begins it if it is new. Whoever locks it at the same time waits."""
        now = {"updated_at": func.clock_timestamp()}
        begun = upsert(imports).values(caller_id=caller_id, id=import_id, line=0, created=0, failed=0, **now)
        locked = begun.on_conflict_do_update(index_elements=["caller_id", "id"], set_=now)
        return Import(**(await self._connection.execute(locked.returning(*_SHOWN))).one())

    async def advance(self, caller_id: int, to: Import) -> None:
        """It must be locked."""
        advanced = update(imports).where(imports.c.caller_id == caller_id, imports.c.id == to.id)
        values = {"line": to.line, "created": to.created, "failed": to.failed}
        await self._connection.execute(advanced.values(values))

    async def add_wrong(self, caller_id: int, import_id: str, wrong: Sequence[WrongLine]) -> None:
        if wrong:
            whose = {"caller_id": caller_id, "import_id": import_id}
            await self._connection.execute_many(ADD_WRONG, [{**whose, **asdict(one)} for one in wrong])

    async def by_id(self, caller_id: int, import_id: str) -> Import | None:
        query = select(*_SHOWN).where(imports.c.caller_id == caller_id, imports.c.id == import_id)
        row = (await self._connection.execute(query)).one_or_none()
        return None if row is None else Import(**row)

    async def wrong_lines(self, caller_id: int, import_id: str, page: Page) -> Slice[WrongLine]:
        """Raises CursorInvalid."""
        query = select(*_WRONG).where(errors.c.caller_id == caller_id, errors.c.import_id == import_id)
        found = List(query, _BY_LINE, lambda row: WrongLine(**row), import_id)
        return await found.page(self._connection, page)

    async def forget(self, lifetime: timedelta) -> int:
        """Deletes those that were not continued for longer, with their wrong lines, FORGOTTEN at the most.
        Returns how many those were."""
        expired = select(imports.c.caller_id, imports.c.id).where(
            imports.c.updated_at < func.now() - lifetime
        )
        oldest = expired.order_by(imports.c.updated_at).limit(FORGOTTEN)
        gone = delete(imports).where(tuple_(imports.c.caller_id, imports.c.id).in_(oldest))
        return (await self._connection.execute(gone)).rowcount
