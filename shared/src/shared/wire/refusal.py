"""Refusals below the application: problem documents, with the members that all problems have."""

from collections.abc import Iterable

from shared.context import CURRENT, RequestContext
from shared.exceptions import BadRequest, ServiceError, Unavailable
from shared.logging import get_logger
from shared.problems import problem_response
from shared.wire.counters import REFUSED

Headers = Iterable[tuple[bytes, bytes]]
PHRASES = {400: b"Bad Request", 408: b"Request Timeout", 431: b"Request Header Fields Too Large"}
log = get_logger()


class MalformedRequest(BadRequest):
    code, title = "malformed_request", "Malformed HTTP request"


class TooManyPipelined(BadRequest):
    code, title = "too_many_pipelined", "Too many pipelined requests"


class HeadTimeout(ServiceError):
    status, code, title = 408, "head_timeout", "The request head did not arrive in time"


class BodyTimeout(ServiceError):
    status, code, title = 408, "body_timeout", "The request body did not arrive in time"


class HeadersTooLarge(ServiceError):
    status, code, title = 431, "headers_too_large", "Request headers too large"


class TooManyConnections(Unavailable):
    code, title = "too_many_connections", "Too many connections"


def refusal(error: ServiceError, url: bytes, headers: Headers, default_headers: Headers) -> bytes:
    """The whole answer. `url` and `headers` are what was read of the request so far."""
    given = next((value for name, value in headers if name == b"x-request-id"), None)
    context = RequestContext.start(given)
    token = CURRENT.set(context)
    try:
        response = problem_response(error, instance=url.partition(b"?")[0].decode("latin-1"))
        log.info("request_refused", code=error.code, status=error.status)
    finally:
        CURRENT.reset(token)
    REFUSED.labels(error.code).inc()
    fields = [
        *default_headers,
        *response.raw_headers,
        (b"x-request-id", context.request_id.encode()),
        (b"connection", b"close"),
    ]
    phrase = PHRASES.get(error.status, b"Service Unavailable")
    head = b"HTTP/1.1 %d %s\r\n" % (error.status, phrase)
    return head + b"".join(b"%s: %s\r\n" % field for field in fields) + b"\r\n" + bytes(response.body)
