"""The route table: declared in one file, checked as a whole. The most specific route wins."""

import re
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from gateway.upstream_table import UpstreamConfig

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Auth = Literal["public", "optional", "required", "role:admin"]
SEGMENT = r"[A-Za-z0-9._~-]+"
PARAMETER = r"\{[a-z_]+\}"
Prefix = Annotated[str, StringConstraints(pattern=re.compile(rf"^(/{SEGMENT})+$"))]
Exact = Annotated[str, StringConstraints(pattern=re.compile(rf"^(/({SEGMENT}|{PARAMETER}))+$"))]


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
    websocket: bool = False

    @model_validator(mode="after")
    def _one_place(self) -> "Route":
        if (self.path is None) == (self.prefix is None):
            raise ValueError("give either a path or a prefix")
        if self.websocket and "GET" not in self.methods:
            raise ValueError("a WebSocket begins with GET")
        return self

    @cached_property
    def template(self) -> str:
        """`/items/{item_id}`: what metrics and logs call this route."""
        return self.path or self.prefix or ""

    @cached_property
    def labels(self) -> tuple[str, str]:
        """What its traffic is counted under."""
        return self.template, self.upstream

    @cached_property
    def allowed(self) -> frozenset[str]:
        return frozenset(self.methods) | ({"HEAD"} if "GET" in self.methods else set())

    @property
    def shape(self) -> str:
        """The same for two routes that match the same paths."""
        return ("" if self.path else "prefix ") + re.sub(PARAMETER, "{}", self.template)


class RouteTable(BaseModel):
    """All routes. Among those that match a path and allow the method, the most specific one is taken."""

    model_config = ConfigDict(frozen=True)

    routes: tuple[Route, ...]
    upstreams: tuple[UpstreamConfig, ...] = ()

    @model_validator(mode="after")
    def _unambiguous(self) -> "RouteTable":
        seen: set[tuple[str, str]] = set()
        for route in self.routes:
            for method in route.methods:
                if (route.shape, method) in seen:
                    raise ValueError(f"{method} {route.template} is declared twice")
                seen.add((route.shape, method))
        return self

    @cached_property
    def _root(self) -> "_Node":
        root = _Node()
        for route in self.routes:
            root.add(route)
        return root

    def match(self, method: str, path: str) -> Route | None:
        """Takes as long for a thousand routes as for ten: one look-up for each segment of `path`."""
        return self._root.find(method, path.split("/"), 1)

    def allowed(self, path: str) -> list[str]:
        """The methods that some route allows for `path`; none at all means that there is no such path."""
        methods = sorted({method for route in self.routes for method in route.allowed})
        return [method for method in methods if self.match(method, path) is not None]


class _Node:
    """The routes whose paths begin alike: those that end here, and one node for each next segment."""

    __slots__ = ("any_segment", "exact", "prefix", "segments")

    def __init__(self) -> None:
        self.segments: dict[str, _Node] = {}
        self.any_segment: _Node | None = None
        self.exact: dict[str, Route] = {}
        self.prefix: dict[str, Route] = {}

    def add(self, route: Route) -> None:
        node = self
        for segment in route.template.split("/")[1:]:
            if segment.startswith("{"):
                node.any_segment = node.any_segment or _Node()
                node = node.any_segment
            else:
                node = node.segments.setdefault(segment, _Node())
        for method in route.allowed:
            (node.exact if route.path else node.prefix)[method] = route

    def find(self, method: str, segments: list[str], place: int) -> Route | None:
        """The most specific route: a literal segment goes before any segment, and that before a prefix."""
        if place == len(segments):
            return self.exact.get(method) or self.prefix.get(method)
        segment = segments[place]
        node = self.segments.get(segment)
        found = node.find(method, segments, place + 1) if node is not None else None
        if found is None and self.any_segment is not None and segment:
            found = self.any_segment.find(method, segments, place + 1)
        return found or self.prefix.get(method)


def load_routes(file: Path, upstreams: set[str]) -> RouteTable:
    """Read and check a table. Raises ValueError with one line that says what is wrong and where."""
    try:
        declared = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ValueError(f"{file}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # no TOML, no UTF-8, or a thousand brackets
        raise ValueError(f"{file}: {error}") from None
    defaults = declared.pop("defaults", {})
    rows = declared.pop("route", [])
    behind = declared.pop("upstream", [])
    if declared or not isinstance(defaults, dict) or not all(map(_is_array_of_tables, (rows, behind))):
        raise ValueError(f"{file}: only [defaults], [[upstream]] and [[route]] are known")
    if not rows:
        raise ValueError(f"{file}: no routes")
    if "auth" in defaults:
        raise ValueError(f"{file}: every route states its own auth, there is no default")
    try:
        table = RouteTable.model_validate(
            {"routes": [{**defaults, **row} for row in rows], "upstreams": behind}
        )
    except ValidationError as error:
        raise ValueError(f"{file}: {_first_mistake(error, rows)}") from None
    known = upstreams | {upstream.name for upstream in table.upstreams}
    for number, route in enumerate(table.routes):
        if route.upstream not in known:
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
        case ("upstreams", int(number), *keys):
            return f"upstream {number + 1}: {'.'.join(map(str, keys))}: {reason}"
    return reason


def _name(number: int, rows: list[dict[str, Any]]) -> str:
    """Where a row stands, counted from one, and what it is for."""
    row = rows[number]
    return f"route {number + 1} ({row.get('path') or row.get('prefix') or 'without a path'})"
