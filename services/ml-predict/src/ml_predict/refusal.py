"""Says in one line why the service does not start, where a stack would say it in forty."""

import sys

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ml_predict.exceptions import ModelUnusable


class RefusalMiddleware:
    """An unusable model is the operator's to mend; every other error is ours, and keeps its stack."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return

        async def send_reason(message: Message) -> None:
            error = sys.exception()  # Starlette reports it while it handles it
            if message["type"] == "lifespan.startup.failed" and isinstance(error, ModelUnusable):
                message["message"] = str(error)
            await send(message)

        await self._app(scope, receive, send_reason)
