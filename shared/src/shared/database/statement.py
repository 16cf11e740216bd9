"""Statements of SQLAlchemy Core as asyncpg takes them: text with $1, $2, …, and the values in that order."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final, cast

import orjson
from sqlalchemy import Executable
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.util import LRUCache

MOST_COMPILED = 500
Values = Mapping[str, Any]


def _dumps(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # orjson refuses 2**64 and half a surrogate pair; Postgres judges those
        return json.dumps(value)


DIALECT: Final = PGDialect_asyncpg(json_serializer=_dumps)  # type: ignore[no-untyped-call]  # SQLAlchemy's dialects have no types
_COMPILED: Final[Any] = LRUCache(MOST_COMPILED)
_REQUIRED: Final = object()


class Statement:
    """A statement compiled once, for hot paths. Its values have names: `items.c.id == bindparam("item_id")`.

    `columns` are those that an INSERT or UPDATE without `.values()` sets. An expression can be executed as it
    is, but then each execution builds it and looks for its compiled form: 100 µs and more.
    """

    def __init__(self, expression: Executable, columns: Sequence[str] = ()) -> None:
        self._expression = cast("ClauseElement", expression)
        self._columns = list(columns) or None

    @cached_property
    def _compiled(self) -> SQLCompiler:
        made = self._expression.compile(dialect=DIALECT, column_keys=self._columns)
        compiled = cast("SQLCompiler", made)
        if compiled.post_compile_params:
            raise TypeError("an IN has another text for each number of values: compare with any_(…)")
        return compiled

    @cached_property
    def text(self) -> str:
        return self._compiled.string

    @cached_property
    def returns_rows(self) -> bool:
        return returns_rows(self._compiled)

    @cached_property
    def _places(self) -> list[tuple[str, Any, Any]]:
        """Of each value in order: its name, its default, and what prepares it for asyncpg."""
        compiled = self._compiled
        binds = {name: bind for bind, name in compiled.bind_names.items()}
        return [
            (
                binds[name].key,
                _REQUIRED if binds[name].required else binds[name].value,
                compiled._bind_processors.get(name),
            )
            for name in compiled.positiontup or ()
        ]

    def bind(self, values: Values) -> list[Any]:
        """The values in order. Raises KeyError if one is missing."""
        bound = []
        for name, default, prepare in self._places:
            value = values.get(name, default)
            if value is _REQUIRED:
                raise KeyError(name)
            bound.append(value if prepare is None else prepare(value))
        return bound


def returns_rows(compiled: SQLCompiler) -> bool:
    """False for a change without RETURNING."""
    changes = compiled.isinsert or compiled.isupdate or compiled.isdelete
    return not changes or bool(compiled.effective_returning)


def compile_now(expression: Executable, values: Values) -> tuple[str, list[Any], bool]:
    """Text, values in order and `returns_rows` of an expression, as SQLAlchemy's own engine finds them."""
    element = cast("ClauseElement", expression)
    compiled, extracted, collected, _ = element._compile_w_cache(
        DIALECT, compiled_cache=_COMPILED, column_keys=sorted(values)
    )
    compiled = cast("SQLCompiler", compiled)
    found = compiled.construct_params(
        values, extracted_parameters=extracted, _collected_params=collected, _no_postcompile=True
    )
    text, names, processors = compiled.string, compiled.positiontup, dict(compiled._bind_processors)
    if compiled.post_compile_params:  # an IN of some length
        expanded = compiled._process_parameters_for_postcompile(found)
        text, names = expanded.statement, cast("Any", expanded.positiontup)
        found = {**found, **expanded.parameters}
        processors.update(expanded.processors)
    bound = [
        found[name] if (prepare := processors.get(name)) is None else cast("Any", prepare)(found[name])
        for name in names or ()
    ]
    return text, bound, returns_rows(compiled)
