"""Every error as RFC 9457 problem+json, whoever raised it."""

import json
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

import orjson
from pydantic import BaseModel, Field
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from shared.context import CURRENT
from shared.exceptions import ServiceError
from shared.logging import described, get_logger

MEDIA_TYPE = "application/problem+json"
log = get_logger()


class Problem(BaseModel):
    """An RFC 9457 problem document, as it stands in the OpenAPI schema."""

    type: str = Field(examples=["urn:facet:problem:not_found"])
    title: str
    status: int
    detail: str | None = None
    instance: str = Field(description="Path of the request.")
    code: str = Field(description="Stable name of the case, for programs.")
    request_id: str


def problem_response(
    error: ServiceError, instance: str, headers: Mapping[str, str] | None = None
) -> Response:
    return _problem(
        error.status,
        error.code,
        error.title,
        error.detail,
        instance,
        error.extra,
        {**error.headers, **(headers or {})},
    )


def _problem(
    status: int,
    code: str,
    title: str,
    detail: str | None,
    instance: str,
    extra: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    context = CURRENT.get()
    body = {
        "type": f"urn:facet:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": instance,
        "code": code,
        "request_id": context.request_id if context else "",
        **(extra or {}),
    }
    if detail is None:
        del body["detail"]
    try:
        content = orjson.dumps(body, default=str)
    except TypeError:  # a name in a refused body can be what orjson refuses: half a surrogate pair
        content = json.dumps(body, default=str).encode()
    return Response(content, status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


async def service_error(request: Request, error: ServiceError) -> Response:
    return problem_of(error, request.url.path)


def problem_of(error: ServiceError, instance: str) -> Response:
    """The answer to `error`; what is our fault is logged."""
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("request_failed", code=error.code, reason=str(error), cause=described(error.__cause__))
    return problem_response(error, instance)


async def _http_exception(request: Request, error: HTTPException) -> Response:
    """Starlette's and FastAPI's own: unknown path, wrong method, bad body, …"""
    status = HTTPStatus(error.status_code)
    code = status.name.lower()
    detail = None if error.detail == status.phrase else str(error.detail)
    headers = error.headers
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers = {**(headers or {}), "Allow": ", ".join(_allowed(request))}
    return _problem(status, code, status.phrase, detail, request.url.path, headers=headers)


def _allowed(request: Request) -> list[str]:
    """Every method of this path: Starlette names those of the first route that has it."""
    found = set()
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        scope = {**request.scope, "method": method}
        if any(route.matches(dict(scope))[0] is Match.FULL for route in request.app.routes):
            found.add(method)
    return sorted(found | {"HEAD"} if "GET" in found else found)


def unexpected(instance: str, error: Exception) -> Response:
    """500 with the request id and nothing else; the stack goes to the log."""
    log.error("unexpected_error", path=instance, exc_info=error)
    return problem_response(ServiceError(), instance)


Handler = Callable[[Request, Any], Awaitable[Response]]
_HANDLERS: dict[type[Exception], Handler] = {ServiceError: service_error, HTTPException: _http_exception}


def handles(*raised: type[Exception]) -> Callable[[Handler], Handler]:
    """Registers a handler for errors of a library that only some processes import."""

    def register(handler: Handler) -> Handler:
        _HANDLERS.update(dict.fromkeys(raised, handler))
        return handler

    return register


async def respond(request: Request, error: Exception) -> Response:
    """What a handler makes of `error`, for where no handler sees it: in a middleware."""
    for raised in type(error).__mro__:
        if handler := _HANDLERS.get(raised):
            return await handler(request, error)
    return unexpected(request.url.path, error)


def install_problem_handlers(app: Starlette) -> None:
    for raised, handler in _HANDLERS.items():
        app.add_exception_handler(raised, handler)
