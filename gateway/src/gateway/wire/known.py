"""Header fields that came before, byte for byte: what was made of them is used again.

A client sends the same fields with nearly each request of a connection, which HTTP/2 makes use of too. Only
a head that the parser has read alone, whole and without a body is kept, so nothing is recognised that the
parser would read otherwise.
"""

import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from gateway.wire.reader import Headers

MOST = 1024  # heads of each worker
LONGEST = 4096  # bytes of one
_LINE = re.compile(rb"(GET|HEAD|DELETE|OPTIONS) (/[!\"$-~]*) HTTP/1\.1\r\n")
# What frames a body, changes the connection, or is new with each request.
_NEVER = frozenset(
    {
        b"connection",
        b"content-length",
        b"expect",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"traceparent",
        b"tracestate",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"x-request-id",
    }
)


class KnownFields:
    """`passing` are the lines that an upstream gets; `credentials` is for the stage that reads them once."""

    __slots__ = ("credentials", "fields", "headers", "passing")

    def __init__(self, headers: Headers, fields: dict[bytes, bytes], passing: bytes) -> None:
        self.headers = headers
        self.fields = fields
        self.passing = passing
        self.credentials: Any = None


class KnownHeads:
    """The fields used last, by the bytes that they came in. `clean` gives those that may pass."""

    def __init__(self, clean: Callable[[Headers], list[bytes]]) -> None:
        self._clean = clean
        self._known: OrderedDict[bytes, KnownFields] = OrderedDict()

    def recognise(self, data: bytes) -> tuple[bytes, bytes, KnownFields] | None:
        """Method, target and fields of the request that `data` is, if it is one and its fields are known."""
        line = _LINE.match(data)
        if line is None:
            return None
        block = data[line.end() :]
        found = self._known.get(block)
        if found is None:
            return None
        self._known.move_to_end(block)
        return line[1], line[2], found

    def keep(self, data: bytes, headers: Headers, fields: dict[bytes, bytes]) -> None:
        """`data` was read as one head with these fields, from its first byte to its last."""
        line = _LINE.match(data)
        if line is None or len(data) > LONGEST or data.find(b"\r\n\r\n") != len(data) - 4:
            return
        if len(fields) != len(headers) or not _NEVER.isdisjoint(fields):
            return
        passing = b"".join([field + b"\r\n" for field in self._clean(headers)])
        self._known[data[line.end() :]] = KnownFields(headers, fields, passing)
        if len(self._known) > MOST:
            self._known.popitem(last=False)
