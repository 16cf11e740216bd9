"""Writes the head of a request: one request line, clean fields, exactly one body framing."""

from collections.abc import AsyncIterator

Headers = list[tuple[bytes, bytes]]
RequestBody = AsyncIterator[bytes] | bytes | None

# Fields that belong to one connection only (RFC 9110, section 7.6.1): the pool decides about its own.
_CONNECTION_FIELDS = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"te", b"transfer-encoding", b"upgrade"}
)

# Names that need no closer look: most of what a client sends is among them.
_KNOWN_NAMES = frozenset(
    {
        b"accept",
        b"accept-encoding",
        b"accept-language",
        b"authorization",
        b"cache-control",
        b"content-type",
        b"cookie",
        b"forwarded",
        b"if-match",
        b"if-none-match",
        b"origin",
        b"referer",
        b"traceparent",
        b"tracestate",
        b"user-agent",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-proto",
        b"x-request-id",
    }
)
_KNOWN_METHODS = frozenset({b"GET", b"HEAD", b"OPTIONS", b"POST", b"PUT", b"PATCH", b"DELETE"})

# RFC 9110, section 5.6.2.
_TOKEN_CHARS = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
# Whatever is neither whitespace nor a control character.
_TARGET_CHARS = bytes(range(0x21, 0x7F)) + bytes(range(0x80, 0x100))

# Methods whose semantics anticipate no body say nothing of its length when there is none
# (RFC 9110, section 8.6).
_BODILESS_METHODS = frozenset({b"GET", b"HEAD", b"OPTIONS", b"DELETE"})


def request_head(
    method: bytes, target: bytes, headers: Headers, body: RequestBody, host: bytes
) -> tuple[bytes, int | None]:
    """The head, its final empty line included, and the body's length in octets (None: chunked).

    `host` is used when `headers` names none. Raises ValueError for anything that would let one request
    become two: CR, LF or NUL anywhere, whitespace in the request line, a name that is no token, a
    `content-length` that is repeated, no number or not the body's (RFC 9112, section 11.2).
    """
    _check_request_line(method, target)
    lines = [b"%b %b HTTP/1.1" % (method, target), b""]
    declared: int | None = None
    for raw_name, value in headers:
        if raw_name in _KNOWN_NAMES:
            lines.append(raw_name + b": " + value)
            continue
        name = raw_name.lower()
        if name == b"host":
            host = value
        elif name == b"content-length":
            declared = _declared_length(value, declared)
        elif name not in _CONNECTION_FIELDS:
            if not name or name.translate(None, _TOKEN_CHARS):
                raise ValueError("a header name that is no token")
            lines.append(name + b": " + value)
    lines[1] = b"host: " + host
    length = _body_length(body, declared)
    if length is None:
        lines.append(b"transfer-encoding: chunked")
    elif length or method not in _BODILESS_METHODS:
        lines.append(b"content-length: %d" % length)
    # Joined without line ends first: three searches through all of it cost less than one per value.
    text = b"".join(lines)
    if b"\r" in text or b"\n" in text or b"\0" in text:
        raise ValueError("CR, LF or NUL in a request head")
    lines.append(b"\r\n")
    return b"\r\n".join(lines), length


def _check_request_line(method: bytes, target: bytes) -> None:
    if method not in _KNOWN_METHODS and (
        not method or method.translate(None, _TOKEN_CHARS) or method == b"CONNECT"
    ):
        raise ValueError("not a method that can be forwarded")
    if target.translate(None, _TARGET_CHARS) or (target[:1] != b"/" and target != b"*"):
        raise ValueError("a target must be in origin form, without whitespace")


def _declared_length(value: bytes, earlier: int | None) -> int:
    if earlier is not None:
        raise ValueError("content-length given twice")
    if not value.isdigit():
        raise ValueError("content-length is no number")
    return int(value)


def _body_length(body: RequestBody, declared: int | None) -> int | None:
    if body is not None and not isinstance(body, bytes):
        return declared
    actual = len(body) if body else 0
    if declared is not None and declared != actual:
        raise ValueError(f"content-length says {declared}, the body has {actual}")
    return actual
