"""Which header fields cross the gateway, and in what form."""

from functools import lru_cache

from gateway.remembered import Remembered
from gateway.wire.reader import Headers
from gateway.wire.request_head import TOKEN_CHARS

# Belong to one connection (RFC 9110, section 7.6.1).
_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
# Ours to say. What came from outside under these names is dropped.
_OURS = frozenset(
    {
        b"authorization",
        b"content-length",
        b"expect",
        b"forwarded",
        b"host",
        b"traceparent",
        b"tracestate",
        b"via",
        b"x-api-key",
        b"x-real-ip",
        b"x-request-id",
    }
)
# Whoever sends these hopes that something behind the gateway believes them.
_IDENTITY_PREFIXES = (
    b"x-forwarded-",
    b"x-user",
    b"x-caller",
    b"x-auth",
    b"x-remote-",
    b"x-internal-",
    b"x-original-",
    b"x-rewrite-",
    b"x-facet-",
    b"x-http-method",
    b"x-method-override",
    b"remote-user",
    b"cf-",
    b"true-client-",
)
_RESPONSE_OURS = frozenset({b"server", b"date", b"x-request-id", b"x-process-time"})
# What `Connection` may say without naming a field, and the one it cannot take away: it frames the message.
_NOT_NAMED = frozenset({b"keep-alive", b"close", b"", b"content-length"})
BODILESS = frozenset({101, 204, 304})  # RFC 9110, section 8.6: a 304 may say the length that a 200 would have


def passes_in(name: bytes) -> bytes | None:
    """`name: ` if a request field of this (lower-case) name is passed on, else None.

    A name with an underscore is not: servers that make variables of names cannot tell it from a dash.
    Raises ValueError for a name that is no token (RFC 9110, section 5.6.2).
    """
    if not name or name.translate(None, TOKEN_CHARS):
        raise ValueError("a header name that is no token")
    if name in _HOP_BY_HOP or name in _OURS or b"_" in name or name.startswith(_IDENTITY_PREFIXES):
        return None
    return name + b": "


def passes_out(name: bytes) -> bytes | None:
    """Likewise for a response field: CORS is decided here, and hops are not mixed up."""
    if name in _HOP_BY_HOP or name in _RESPONSE_OURS or name.startswith(b"access-control-"):
        return None
    return name + b": "


PASSES_IN = Remembered(passes_in)
PASSES_OUT = Remembered(passes_out)


def request_fields(received: Headers) -> list[bytes]:
    """The fields that may pass, as `name: value`. Raises ValueError for a name that is no token."""
    fields = []
    named: frozenset[bytes] = frozenset()
    for name, value in received:
        start = PASSES_IN[name]
        if start is not None:
            fields.append(start + value)
        elif name == b"connection":
            named |= _named(value)
    return _without(fields, named) if named else fields


def response_fields(status: int, received: Headers) -> list[bytes]:
    """What the client gets. A length that announces no body is dropped: a 304 may have one."""
    fields = []
    named: frozenset[bytes] = frozenset()
    for name, value in received:
        start = PASSES_OUT[name]
        if start is not None:
            fields.append(start + value)
        elif name == b"connection":
            named |= _named(value)
    if status in BODILESS:
        named |= {b"content-length"}
    return _without(fields, named) if named else fields


@lru_cache(maxsize=256)
def _named(connection: bytes) -> frozenset[bytes]:
    """Fields that `Connection` declares to be of this hop only."""
    return frozenset(token.strip().lower() for token in connection.split(b",")) - _NOT_NAMED


def _without(fields: list[bytes], names: frozenset[bytes]) -> list[bytes]:
    return [field for field in fields if field.partition(b":")[0] not in names]
