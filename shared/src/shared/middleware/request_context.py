"""Gives each request its ids, and the answer its `X-Request-ID`."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.context import CURRENT, context_of


class RequestContextMiddleware:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        context = context_of(scope["headers"])
        header = (b"x-request-id", context.request_id.encode())

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), header]
            await send(message)

        token = CURRENT.set(context)
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            CURRENT.reset(token)
