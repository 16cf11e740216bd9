"""Request lines that came before: what they say is found again by their bytes."""

import re
from typing import Any
from urllib.parse import unquote_to_bytes

MOST = 1024  # lines of each worker
LONGEST = 2048  # bytes of one
_LINE = re.compile(rb"(GET|HEAD|DELETE|OPTIONS|POST|PUT|PATCH) (/[!\"$-~]*)")
_ESCAPE = ord("%")


class RequestLine:
    """`path` is for logs and problems. `found` is for who looks for a route: what it was, in which table."""

    __slots__ = ("found", "method", "path", "target")

    def __init__(self, method: bytes, target: bytes) -> None:
        self.method = method
        self.target = target
        self.path = readable_path(target)
        self.found: tuple[Any, Any] = (None, None)


class RequestLines:
    def __init__(self) -> None:
        self._known: dict[bytes, RequestLine] = {}

    def read(self, start: bytes) -> RequestLine | None:
        """`start` is all before ` HTTP/1.1`. None leaves it to the parser."""
        return self._known.get(start) or self._learn(start)

    def _learn(self, start: bytes) -> RequestLine | None:
        parts = _LINE.fullmatch(start)
        if parts is None or len(start) > LONGEST:
            return None
        if len(self._known) == MOST:
            self._known = {}
        line = self._known[start] = RequestLine(parts[1], parts[2])
        return line


def readable_path(target: bytes) -> str:
    """The path as logs and problems show it, without the query."""
    path = target.partition(b"?")[0]
    return unquote_to_bytes(path).decode("utf-8", "replace") if _ESCAPE in path else path.decode("latin-1")
