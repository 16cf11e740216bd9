"""Which requests are answered from the connection."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from fastapi import APIRouter

from ml_predict.lean import LeanRoute

Found = tuple[LeanRoute, dict[str, str]]
_DIGITS: Final = 9
_UNUSUAL: Final = frozenset({b"transfer-encoding", b"expect"})
_REMEMBERED: Final = 256  # paths


class LeanRoutes:
    """Finds the route of a POST request with a body within the limit; None for all others."""

    def __init__(self, routers: Iterable[APIRouter], *, limit: int, private_port: int) -> None:
        self._limit = limit
        self._private_port = private_port
        every = [route for router in routers for route in router.routes]
        routes = [route for route in every if isinstance(route, LeanRoute) and route.methods == {"POST"}]
        self._exact = {route.path.encode(): route for route in routes if not route.param_convertors}
        self._templates = [route for route in routes if route.param_convertors]
        self._matched = lru_cache(_REMEMBERED)(self._match)

    def find(self, connection: Any) -> Found | None:
        if connection.parser.get_method() != b"POST" or not self._usual(connection.headers):
            return None
        if self._private_port and connection.server and connection.server[1] == self._private_port:
            return None
        if (exact := self._exact.get(connection.url)) is not None:
            return exact, {}
        return self._matched(connection.url)

    def _match(self, url: bytes) -> Found | None:
        if b"%" in url or b"?" in url or not url.isascii():
            return None
        path = url.decode()
        for route in self._templates:
            if (match := route.path_regex.match(path)) is not None:
                return route, match.groupdict()
        return None

    def _usual(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        length = None
        for name, value in headers:
            if name == b"content-length":
                if length is not None or len(value) > _DIGITS or not value.isdigit():
                    return False
                length = int(value)
            elif name in _UNUSUAL:
                return False
        return length is not None and length <= self._limit
