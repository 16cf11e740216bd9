"""Turns what nobody caught into a 500 problem, inside the access log and the ids."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.exceptions import ServiceError
from shared.problems import problem_response, unexpected


class ErrorsMiddleware:
    """Also renders a `ServiceError` raised by a middleware, which no exception handler would see."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_and_note(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        except Exception as error:
            if started:  # too late for another status: the server cuts the connection, which tells the caller
                raise
            if isinstance(error, ServiceError):
                response = problem_response(error, scope["path"])
            else:
                response = unexpected(scope["path"], error)
            await response(scope, receive, send)
