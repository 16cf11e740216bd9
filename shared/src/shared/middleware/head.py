"""Answers HEAD wherever there is a GET (RFC 9110, section 9.1), which FastAPI's routes do not do."""

from starlette.types import ASGIApp, Receive, Scope, Send

ROUTE_KEYS = ("route", "fastapi")  # what routing leaves behind for those outside, the metrics among them


class HeadMiddleware:
    """The routes see a GET; the server, which still sees a HEAD, sends the header fields alone."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        inner = {**scope, "method": "GET"}
        try:
            await self._app(inner, receive, send)
        finally:
            scope.update({key: inner[key] for key in ROUTE_KEYS if key in inner})
