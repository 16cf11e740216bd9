"""Reports a failed start as one line instead of a traceback."""

import sys

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.exceptions import CannotStart


class StartFailureMiddleware:
    """Shows `CannotStart` as its message. Other errors are bugs and keep their traceback."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return

        async def send_reason(message: Message) -> None:
            error = sys.exception()  # Starlette reports it while it handles it
            if message["type"] == "lifespan.startup.failed" and isinstance(error, CannotStart):
                message["message"] = str(error)
            await send(message)

        await self._app(scope, receive, send_reason)
