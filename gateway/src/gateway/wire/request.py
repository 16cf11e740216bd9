"""The head of a request, and how it frames its body."""

from gateway.exceptions import LengthAmbiguous
from gateway.wire.known import KnownFields
from gateway.wire.reader import Headers
from gateway.wire.request_line import RequestLine, readable_path


class Request:
    """`fields` has the last value of each header; `line` and `known` are of requests that came before."""

    def __init__(self, method: bytes, target: bytes, headers: Headers, fields: dict[bytes, bytes]) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self.fields = fields
        self.http_1_0 = False
        self.length: int | None = None
        self.line: RequestLine | None = None
        self.known: KnownFields | None = None
        self.chunked = False
        self.upgrade = False  # to a WebSocket, where the route allows it

    @property
    def path(self) -> str:
        """As logs and problems show it."""
        return readable_path(self.target) if self.line is None else self.line.path

    def repeats(self, name: bytes) -> bool:
        """True if there is more than one header of this name."""
        return len(self.fields) != len(self.headers) and sum(name == it for it, _ in self.headers) > 1


def framing(headers: Headers) -> tuple[int | None, bool]:
    """Content-Length, and whether the body is chunked.

    Raises LengthAmbiguous for two lengths or both framings: an attempt at request smuggling (RFC 9112, 6.3).
    """
    length: int | None = None
    chunked = False
    for name, value in headers:
        if name == b"content-length":
            if length is not None or not value.isdigit():
                raise LengthAmbiguous
            length = int(value)
        elif name == b"transfer-encoding":
            if chunked or value.strip().lower() != b"chunked":
                raise LengthAmbiguous
            chunked = True
    if chunked and length is not None:
        raise LengthAmbiguous
    return length, chunked
