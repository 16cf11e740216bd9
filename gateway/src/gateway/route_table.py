"""The route table: declared in one file, checked as a whole, matched by longest prefix."""

import re
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Auth = Literal["public", "optional", "required", "role:admin"]
Prefix = Annotated[str, StringConstraints(pattern=re.compile(r"^(/[A-Za-z0-9._~-]+)+$"))]


class Route(BaseModel):
    """One line of the table. `timeout` is seconds, `body_limit` bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prefix: Prefix
    methods: Annotated[list[Method], Field(min_length=1)]
    upstream: str
    auth: Auth
    timeout: Annotated[float, Field(gt=0, le=300)]
    body_limit: Annotated[int, Field(ge=0)]

    @cached_property
    def allowed(self) -> frozenset[str]:
        return frozenset(self.methods) | ({"HEAD"} if "GET" in self.methods else set())


class RouteTable(BaseModel):
    """All routes, longest prefix first."""

    model_config = ConfigDict(frozen=True)

    routes: tuple[Route, ...]

    @model_validator(mode="after")
    def _unambiguous(self) -> "RouteTable":
        seen: set[tuple[str, str]] = set()
        for route in self.routes:
            for method in route.methods:
                if (route.prefix, method) in seen:
                    raise ValueError(f"{method} {route.prefix} is declared twice")
                seen.add((route.prefix, method))
        return self

    @cached_property
    def _by_length(self) -> tuple[tuple[str, str, Route], ...]:
        ordered = sorted(self.routes, key=lambda route: len(route.prefix), reverse=True)
        return tuple((route.prefix, route.prefix + "/", route) for route in ordered)

    def match(self, method: str, path: str) -> Route | None:
        """The route of the longest prefix that allows the method."""
        for prefix, below, route in self._by_length:
            if (path == prefix or path.startswith(below)) and method in route.allowed:
                return route
        return None

    def allowed(self, path: str) -> list[str]:
        """The methods that some route allows for `path`; none at all means that there is no such path."""
        found: set[str] = set()
        for prefix, below, route in self._by_length:
            if path == prefix or path.startswith(below):
                found |= route.allowed
        return sorted(found)


def load_routes(file: Path, upstreams: set[str]) -> RouteTable:
    """Read and check a table. Raises ValueError with one line that says what is wrong and where."""
    try:
        declared = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ValueError(f"{file}: {error.strerror}") from None
    except ValueError as error:  # no TOML, or no UTF-8
        raise ValueError(f"{file}: {error}") from None
    defaults = declared.pop("defaults", {})
    rows = declared.pop("route", [])
    if declared or not isinstance(defaults, dict) or not _is_array_of_tables(rows):
        raise ValueError(f"{file}: only [defaults] and [[route]] are known")
    if not rows:
        raise ValueError(f"{file}: no routes")
    try:
        table = RouteTable.model_validate({"routes": [{**defaults, **row} for row in rows]})
    except ValidationError as error:
        raise ValueError(f"{file}: {_first_mistake(error, rows)}") from None
    for number, route in enumerate(table.routes):
        if route.upstream not in upstreams:
            raise ValueError(f"{file}: {_name(number, rows)}: unknown upstream {route.upstream}")
    return table


def _is_array_of_tables(rows: Any) -> bool:
    return isinstance(rows, list) and all(isinstance(row, dict) for row in rows)


def _first_mistake(error: ValidationError, rows: list[dict[str, Any]]) -> str:
    mistake = error.errors()[0]
    reason = mistake["msg"].removeprefix("Value error, ")
    match mistake["loc"]:
        case ("routes", int(number), *keys):
            return f"{_name(number, rows)}: {'.'.join(map(str, keys))}: {reason}"
    return reason


def _name(number: int, rows: list[dict[str, Any]]) -> str:
    """Where a row stands, counted from one, and what it is for."""
    return f"route {number + 1} ({rows[number].get('prefix', 'without a prefix')})"
