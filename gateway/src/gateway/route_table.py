"""The route table: declared in one file, checked as a whole. The most specific route wins."""

import re
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Auth = Literal["public", "optional", "required", "role:admin"]
SEGMENT = r"[A-Za-z0-9._~-]+"
PARAMETER = r"\{[a-z_]+\}"
Prefix = Annotated[str, StringConstraints(pattern=re.compile(rf"^(/{SEGMENT})+$"))]
Exact = Annotated[str, StringConstraints(pattern=re.compile(rf"^(/({SEGMENT}|{PARAMETER}))+$"))]
LITERAL, ANY_SEGMENT, ANYTHING = range(3)  # by which of two routes that both match goes first


class Route(BaseModel):
    """One line of the table. `timeout` is seconds, `body_limit` bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Exact | None = None
    prefix: Prefix | None = None
    methods: Annotated[list[Method], Field(min_length=1)]
    upstream: str
    auth: Auth
    timeout: Annotated[float, Field(gt=0, le=300)]
    body_limit: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _one_place(self) -> "Route":
        if (self.path is None) == (self.prefix is None):
            raise ValueError("give either a path or a prefix")
        return self

    @cached_property
    def template(self) -> str:
        """`/items/{item_id}`: what metrics and logs call this route."""
        return self.path or self.prefix or ""

    @cached_property
    def allowed(self) -> frozenset[str]:
        return frozenset(self.methods) | ({"HEAD"} if "GET" in self.methods else set())

    @property
    def regex(self) -> str:
        """Without groups."""
        pattern = "".join(
            "/[^/]+" if segment.startswith("{") else "/" + re.escape(segment)
            for segment in self.template.split("/")[1:]
        )
        return pattern if self.path else pattern + "(?:/.*)?"

    @property
    def rank(self) -> tuple[int, ...]:
        """Sorts a route before all that match more than it does."""
        segments = self.template.split("/")[1:]
        ranks = [ANY_SEGMENT if segment.startswith("{") else LITERAL for segment in segments]
        return (*ranks,) if self.path else (*ranks, ANYTHING)


class RouteTable(BaseModel):
    """All routes. Among those that match a path and allow the method, the most specific one is taken."""

    model_config = ConfigDict(frozen=True)

    routes: tuple[Route, ...]

    @model_validator(mode="after")
    def _unambiguous(self) -> "RouteTable":
        seen: set[tuple[str, str]] = set()
        for route in self.routes:
            for method in route.methods:
                if (route.regex, method) in seen:
                    raise ValueError(f"{method} {route.template} is declared twice")
                seen.add((route.regex, method))
        return self

    @cached_property
    def _by_method(self) -> dict[str, tuple[re.Pattern[str], tuple[Route, ...]]]:
        """One expression for each method, with a group for each route: one search finds the route."""
        found = {}
        for method in sorted({method for route in self.routes for method in route.allowed}):
            routes = sorted((r for r in self.routes if method in r.allowed), key=lambda route: route.rank)
            found[method] = (re.compile("|".join(f"({r.regex})" for r in routes)), tuple(routes))
        return found

    def match(self, method: str, path: str) -> Route | None:
        expression, routes = self._by_method.get(method, (None, ()))
        match = expression and expression.fullmatch(path)
        return routes[match.lastindex - 1] if match and match.lastindex else None

    def allowed(self, path: str) -> list[str]:
        """The methods that some route allows for `path`; none at all means that there is no such path."""
        return [method for method, (expression, _) in self._by_method.items() if expression.fullmatch(path)]


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
    if "auth" in defaults:
        raise ValueError(f"{file}: every route states its own auth, there is no default")
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
            return ": ".join(filter(None, (_name(number, rows), ".".join(map(str, keys)), reason)))
    return reason


def _name(number: int, rows: list[dict[str, Any]]) -> str:
    """Where a row stands, counted from one, and what it is for."""
    row = rows[number]
    return f"route {number + 1} ({row.get('path') or row.get('prefix') or 'without a path'})"
