"""Says in one line why a service does not start, where a stack would say it in forty."""

import sys

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class CannotStart(Exception):
    """Raised in a lifespan for what the operator has to mend; the message is one line and says what."""


class RefusalMiddleware:
    """`CannotStart` is shown as its message; every other error is ours, and keeps its stack."""

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
