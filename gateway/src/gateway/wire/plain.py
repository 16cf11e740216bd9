"""Answers in their plainest form, read line by line: one head, one length, and the whole body with it.

Nearly every answer comes like this, and most of its lines have come before, so what they say is remembered.
It takes a third of the parser's time. Whatever is written in any other way is left to the parser.
"""

from http import HTTPStatus

BODILESS = frozenset({204, 304})
MOST = 1024  # lines that a worker remembers
LONGEST = 256  # bytes of one
Header = tuple[bytes, bytes]

_END = b"\r\n\r\n"
_STATUSES = {
    f"HTTP/1.1 {it.value} {it.phrase}".encode(): it.value for it in HTTPStatus if it >= HTTPStatus.OK
}
_NAME_CHARS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-"
_VALUE_CHARS = bytes(range(0x20, 0x7F))
_LENGTH_DIGITS = 9
# What frames a body in another way, or changes the connection.
_NEVER = frozenset({b"te", b"trailer", b"transfer-encoding", b"upgrade"})
_NEW_EACH_TIME = frozenset({b"etag", b"location", b"server-timing", b"x-process-time", b"x-request-id"})


class NotPlain(LookupError):
    """The parser has to judge."""


class _Lines(dict[bytes, Header]):
    def __missing__(self, line: bytes) -> Header:
        header = _read(line)
        if len(line) <= LONGEST and header[0] not in _NEW_EACH_TIME:
            if len(self) == MOST:
                self.clear()
            self[line] = header
        return header


def read_plain(data: bytes) -> tuple[int, list[Header], int | None, bytes] | None:
    """Status, headers, declared length and body, if `data` is one plain answer from first to last byte.

    Another answer may follow on its connection. None: the parser has to judge.
    """
    head, end, body = data.partition(_END)
    lines = head.split(b"\r\n")
    status = _STATUSES.get(lines.pop(0))
    if status is None or not end:
        return None
    try:
        headers = list(map(_header, lines))
    except NotPlain:
        return None
    fields = dict(headers)
    if len(fields) != len(headers):
        return None  # a name that came twice
    declared = fields.get(b"content-length")
    length = None if declared is None else int(declared)
    if status in BODILESS:
        good = not body and (length is None or status == HTTPStatus.NOT_MODIFIED)
    else:
        good = length == len(body)
    return (status, headers, length, body) if good else None


def _read(line: bytes) -> Header:
    """Name in lower case, and value. Raises NotPlain."""
    name, colon, value = line.partition(b": ")
    if not (name and colon and value) or name.translate(None, _NAME_CHARS):
        raise NotPlain
    if value.translate(None, _VALUE_CHARS) or value.strip() != value:
        raise NotPlain
    name = name.lower()
    if (
        name in _NEVER
        or (name == b"connection" and value.lower() != b"keep-alive")
        or (name == b"content-length" and not (value.isdigit() and len(value) <= _LENGTH_DIGITS))
    ):
        raise NotPlain
    return name, value


_header = _Lines().__getitem__
