"""Header fields that came before, byte for byte: what was made of them is used again.

A client sends the same fields with nearly each request of a connection, which HTTP/2 makes use of too. Only
a head that the parser has read whole is kept, of a request that came alone and with all of its body, so
nothing is recognised that the parser would read otherwise. The length of a body differs from request to
request: its line is taken out of what is kept and looked up.
"""

import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from gateway.wire.reader import Headers
from gateway.wire.request_line import RequestLine, RequestLines

MOST = 1024  # heads of each worker
LONGEST = 4096  # bytes of one
LONGEST_BODY = 16_384
_VERSION = b" HTTP/1.1"
_WITH_BODY = frozenset({b"POST", b"PUT", b"PATCH"})
_LENGTH = re.compile(rb"\r\n[Cc]ontent-[Ll]ength: ([0-9]{1,5})(?=\r\n)")
_END = b"\r\n\r\n"
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
        self._lines = RequestLines()
        self._without_body: OrderedDict[bytes, KnownFields] = OrderedDict()
        self._with_body: OrderedDict[bytes, KnownFields] = OrderedDict()

    def recognise(self, data: bytes) -> tuple[RequestLine, KnownFields, bytes | None] | None:
        """Line, fields and body of the request that `data` is, if it is one with known fields."""
        start, _, block = data.partition(_VERSION)
        line = self._lines.read(start)
        if line is None:
            return None
        known, body = self._without_body, None
        if line.method in _WITH_BODY:
            divided = _divide(block)
            if divided is None:
                return None
            known = self._with_body
            block, body = divided
        found = known.get(block)
        if found is None:
            return None
        known.move_to_end(block)
        return line, found, body

    def keep(self, data: bytes, headers: Headers, fields: dict[bytes, bytes]) -> None:
        """`data` was read as one request with these fields, from its first byte to its last."""
        start, _, block = data.partition(_VERSION)
        line = self._lines.read(start)
        if line is None or not block.startswith(b"\r\n"):
            return
        known = self._without_body
        if line.method in _WITH_BODY:
            divided = _divide(block)
            if divided is None:
                return
            known, block = self._with_body, divided[0]
            headers = [field for field in headers if field[0] != b"content-length"]
            fields = dict(headers)
        if len(block) > LONGEST or block.find(_END) != len(block) - len(_END):
            return
        if block.count(b"\n") != len(headers) + 2 or len(fields) != len(headers):
            return
        if not _NEVER.isdisjoint(fields):
            return
        passing = b"".join([field + b"\r\n" for field in self._clean(headers)])
        known[block] = KnownFields(headers, fields, passing)
        if len(known) > MOST:
            known.popitem(last=False)


def _divide(block: bytes) -> tuple[bytes, bytes] | None:
    """The fields without the length, and the body, if that is there to its last byte and nothing after it."""
    end = block.find(_END) + len(_END)
    length = _LENGTH.search(block, 0, end)
    if length is None or int(length[1]) != len(block) - end or len(block) - end > LONGEST_BODY:
        return None
    return block[: length.start()] + block[length.end() : end], block[end:]
