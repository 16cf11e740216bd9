"""What a statement returns."""

from collections.abc import Iterator, Sequence
from typing import Any

import asyncpg


class Row(asyncpg.Record):
    """Values by name or place: `row["id"]`, `row.id`, `Item(**row)`, `number, age = row`."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class Rows(Sequence[Row]):
    """All rows of one execution. `rowcount` also counts those that were changed without being returned."""

    __slots__ = ("_rows", "rowcount")

    def __init__(self, rows: list[Row], rowcount: int) -> None:
        self._rows = rows
        self.rowcount = rowcount

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: Any) -> Any:
        return self._rows[place]

    def all(self) -> list[Row]:
        return self._rows

    def one(self) -> Row:
        """Raises ValueError if there is no row, or more than one."""
        (row,) = self._rows
        return row

    def one_or_none(self) -> Row | None:
        """Raises ValueError if there is more than one."""
        return self.one() if self._rows else None

    def scalar(self) -> Any:
        """The first value of the first row, None if there is no row."""
        return self._rows[0][0] if self._rows else None

    def scalar_one(self) -> Any:
        return self.one()[0]

    def scalars(self) -> list[Any]:
        """The first value of each row."""
        return [row[0] for row in self._rows]
