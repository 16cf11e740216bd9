"""Pages and totals from Postgres, at a cost that does not grow with the table.

A page is found by the key of the row before it (keyset pagination), in an index of that order. A total is
counted up to `COUNTED`; above that, it is the planner's estimate, which costs no more for a million rows
and is remembered for some seconds.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Generic, TypeVar

from pydantic import Field, TypeAdapter
from sqlalchemy import ColumnElement, Executable, Select, func, literal, literal_column, select, tuple_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.sql.visitors import InternalTraversal

from shared.database import Connection, Row
from shared.fields import LARGEST_ID
from shared.large_totals import LargeTotals
from shared.pages import Page, Slice, Total, decode_cursor, encode_cursor

COUNTED: Final = 1000
_ROWS: Final = re.compile(r" rows=(\d+) ")

Id = Annotated[int, Field(ge=1, le=LARGEST_ID)]
ID: Final = TypeAdapter(tuple[Id])
"""The position in a list by id."""

Found = TypeVar("Found")


@dataclass(frozen=True)
class Order(Generic[Found]):
    """A sort without ties: the last column is unique. Rows without a value in the first one come last."""

    columns: Sequence[ColumnElement[Any]]
    key: Callable[[Found], Sequence[Any]]
    """The values of the columns in what was found."""
    position: TypeAdapter[Any]
    """What a cursor may say of them: a tuple."""
    descending: bool = False
    nullable: bool = False

    @property
    def by(self) -> list[ColumnElement[Any]]:
        if not self.descending:
            return list(self.columns)
        first, *others = [column.desc() for column in self.columns]
        return [first.nulls_last() if self.nullable else first, *others]

    def after(self, position: Sequence[Any]) -> Iterator[ColumnElement[bool]]:
        """Conditions whose rows, one after the other, come after `position`. Each is a range of the index."""
        if position[0] is None:
            yield self.columns[0].is_(None) & self._beyond(position, 1)
            return
        yield self._beyond(position, 0)
        if self.nullable:
            yield self.columns[0].is_(None)

    def _beyond(self, position: Sequence[Any], start: int) -> ColumnElement[bool]:
        columns = self.columns[start:]
        values = [
            literal(value, column.type) for value, column in zip(position[start:], columns, strict=True)
        ]
        here: Any = tuple_(*columns) if len(columns) > 1 else columns[0]
        there: Any = tuple_(*values) if len(values) > 1 else values[0]
        beyond: ColumnElement[bool] = here < there if self.descending else here > there
        return beyond


@dataclass(frozen=True)
class List(Generic[Found]):
    """All rows that fit some filters, in some order. `scope` names both: a cursor fits no other list."""

    statement: Select[Any]
    order: Order[Found]
    build: Callable[[Row], Found]
    scope: str = ""

    async def page(
        self, connection: Connection, page: Page, large: LargeTotals | None = None
    ) -> Slice[Found]:
        """`large` are the large totals of this database. Raises CursorInvalid."""
        wanted = page.limit + 1  # the one more tells whether there is a next page
        rows = await self._rows(connection, page, wanted)
        found = [self.build(row) for row in rows[: page.limit]]
        total = None if page.cursor else await self._total(connection, page, len(rows), large)
        if len(rows) < wanted:
            return Slice(found, None, total)
        return Slice(found, encode_cursor(self.scope, self.order.key(found[-1])), total)

    async def _rows(self, connection: Connection, page: Page, wanted: int) -> list[Row]:
        ordered = self.statement.order_by(*self.order.by)
        if page.cursor is None:
            return list(await connection.execute(ordered.offset(page.skip).limit(wanted)))
        position = decode_cursor(page.cursor, self.scope, self.order.position)
        rows: list[Row] = []
        for condition in self.order.after(position):
            rows += await connection.execute(ordered.where(condition).limit(wanted - len(rows)))
            if len(rows) == wanted:
                break
        return rows

    async def _total(self, connection: Connection, page: Page, seen: int, large: LargeTotals | None) -> Total:
        """Exact up to COUNTED, and on the last page. `seen` are the rows of this page, and one more."""
        if seen <= page.limit and (seen or not page.skip):
            return Total(page.skip + seen)
        total = large.find(self.scope) if large else None
        if total is None:
            total = await self._count(connection)
            if large and total.accuracy == "estimate":
                large.keep(self.scope, total)
        if total.accuracy == "exact":
            return total
        return Total(max(total.count, page.skip + seen), "estimate")

    async def _count(self, connection: Connection) -> Total:
        matches: Select[Any] = self.statement.with_only_columns(
            literal_column("1"), maintain_column_froms=True
        )
        some = select(func.count()).select_from(matches.limit(COUNTED + 1).subquery())
        counted = await connection.scalar(some) or 0
        if counted <= COUNTED:
            return Total(counted)
        plan = _ROWS.search(await connection.scalar(Explain(matches)) or "")
        return Total(max(int(plan[1]) if plan else 0, counted), "estimate")


class Explain(Executable, ClauseElement):
    """The planner's view of a statement; nothing of it is executed."""

    inherit_cache = True  # its text is compiled once for each text of the statement
    _traverse_internals = [("statement", InternalTraversal.dp_clauseelement)]  # noqa: RUF012 - as SQLAlchemy has it

    def __init__(self, statement: Select[Any]) -> None:
        self.statement = statement


@compiles(Explain, "postgresql")
def _explain(element: Explain, compiler: SQLCompiler, **options: Any) -> str:
    return f"EXPLAIN {compiler.process(element.statement, **options)}"
