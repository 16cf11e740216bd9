"""Which header fields cross the gateway, and in what form."""

from functools import lru_cache

from starlette.types import Scope

from shared.context import RequestContext

Headers = list[tuple[bytes, bytes]]

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
        b"expect",
        b"forwarded",
        b"host",
        b"traceparent",
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
_BODILESS = frozenset({204, 304})  # RFC 9110, section 8.6: a 304 may say the length that a 200 would have


@lru_cache(maxsize=1024)
def passes_in(name: bytes) -> bool:
    """Whether a request field of this (lower-case) name is passed on.

    A name with an underscore is not: servers that make variables of names cannot tell it from a dash.
    """
    return not (name in _HOP_BY_HOP or name in _OURS or b"_" in name or name.startswith(_IDENTITY_PREFIXES))


@lru_cache(maxsize=1024)
def passes_out(name: bytes) -> bool:
    """Whether a response field is passed on: CORS is decided here, and hops are not mixed up."""
    return not (name in _HOP_BY_HOP or name in _RESPONSE_OURS or name.startswith(b"access-control-"))


def connection_named(headers: Headers) -> frozenset[bytes]:
    """Fields that `Connection` declares to be of this hop only."""
    named: set[bytes] = set()
    for name, value in headers:
        if name == b"connection":
            named.update(token.strip().lower() for token in value.split(b","))
    return frozenset(named) - {b"keep-alive", b"close", b""}


def request_headers(scope: Scope, context: RequestContext, authorization: bytes | None) -> Headers:
    """What the upstream gets: what may pass, then who is calling, from where, under which ids."""
    received: Headers = scope["headers"]
    named = connection_named(received)
    kept = [(name, value) for name, value in received if passes_in(name) and name not in named]
    kept.append((b"x-request-id", context.request_id.encode()))
    kept.append((b"traceparent", context.traceparent.encode()))
    if authorization is not None:
        kept.append((b"authorization", authorization))
    client = scope.get("client")
    if client is not None:
        kept.append((b"x-forwarded-for", client[0].encode()))
    kept.append((b"x-forwarded-proto", scope["scheme"].encode()))
    return kept


def response_headers(status: int, received: Headers) -> Headers:
    """What the client gets. A length that announces no body is dropped, or the server would wait for one."""
    named = connection_named(received)
    if status in _BODILESS:
        named |= {b"content-length"}
    return [(name, value) for name, value in received if passes_out(name) and name not in named]
