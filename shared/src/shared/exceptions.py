"""Errors as classes: each has a status, a code for programs and a title for people."""

from typing import Any, ClassVar, TypeVar

Found = TypeVar("Found")


class CannotStart(Exception):
    """Raised in a lifespan for a mistake of the operator; the message is one line."""


class ServiceError(Exception):
    """Root of the tree. A service derives its own and says what the case adds:

    `class ItemNotFound(NotFound): code = "item_not_found"`, raised as `ItemNotFound(item_id=7)`.

    `detail` is shown to the caller, or `advice` (what to do about it) where the case gives none; keyword
    arguments become members of the problem document.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Internal server error"
    advice: ClassVar[str | None] = None
    headers: ClassVar[dict[str, str]] = {}

    def __init__(self, detail: str | None = None, **extra: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.advice
        self.extra = extra


class BadRequest(ServiceError):
    status, code, title = 400, "bad_request", "Bad request"


class MalformedJson(BadRequest):
    code, title = "malformed_json", "Malformed JSON"


class Unauthenticated(ServiceError):
    status, code, title = 401, "unauthenticated", "Authentication is needed"
    headers: ClassVar[dict[str, str]] = {"WWW-Authenticate": "Bearer"}


class Forbidden(ServiceError):
    status, code, title = 403, "forbidden", "Not allowed"


class NotFound(ServiceError):
    status, code, title = 404, "not_found", "Not found"


def require_found(value: Found | None, missing: NotFound, *, visible: bool = True) -> Found:
    """The 404 rule: what the caller may not know of answers like what does not exist. Raises `missing`.

    403 is for what the caller may see but not change.
    """
    if value is None or not visible:
        raise missing
    return value


class MethodNotAllowed(ServiceError):
    status, code, title = 405, "method_not_allowed", "Method not allowed"


class Conflict(ServiceError):
    status, code, title = 409, "conflict", "Conflict"


class ContentTooLarge(ServiceError):
    """The rest of the body is read and thrown away, so that the answer arrives.

    Closing it would reset a caller that is still sending, before it has read why.
    """

    status, code, title = 413, "content_too_large", "Request body too large"


class Unprocessable(ServiceError):
    status, code, title = 422, "unprocessable", "Request cannot be processed"


class BadGateway(ServiceError):
    status, code, title = 502, "bad_gateway", "Another service gave a wrong answer"


class Unavailable(ServiceError):
    """A temporary fault of ours: the caller may try again after `Retry-After` seconds."""

    status, code, title = 503, "unavailable", "Service unavailable"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "1"}


class DatabaseUnavailable(Unavailable):
    code, title = "database_unavailable", "Database unavailable"


class RedisUnavailable(Unavailable):
    code, title = "redis_unavailable", "Redis unavailable"


class GatewayTimeout(ServiceError):
    status, code, title = 504, "gateway_timeout", "Another service did not answer in time"
