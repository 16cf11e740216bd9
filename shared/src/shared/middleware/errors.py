"""Turns an uncaught error into a 500 problem, so that the access log and the ids cover it."""

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.logging import get_logger
from shared.problems import respond

log = get_logger()


class ErrorsMiddleware:
    """Also renders what a middleware raises, which no exception handler would see."""

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
        except ClientDisconnect:  # nobody is left to be told
            log.info("client_gone", path=scope["path"])
        except Exception as error:
            if started:  # too late for another status: the server cuts the connection, which tells the caller
                log.error("answer_cut_off", path=scope["path"], reason=type(error).__name__)  # noqa: TRY400 - the server logs the stack, but without ids
                raise
            response = await respond(Request(scope), error)
            await response(scope, receive, send)
