"""Writes one line a request and tells the caller how long it took."""

from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.access_log import log_request


class AccessLogMiddleware:
    """`X-Process-Time` is seconds until the answer began; the log's `duration_ms` runs until it ended.

    The query string is not logged: it may hold what should not be kept.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        status = 0

        async def send_with_time(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                elapsed = b"%.6f" % (perf_counter() - started)
                message["headers"] = [*message.get("headers", ()), (b"x-process-time", elapsed)]
            await send(message)

        try:
            await self._app(scope, receive, send_with_time)
        finally:
            client = scope.get("client")
            log_request(
                scope["method"],
                scope["path"],
                status,
                perf_counter() - started,
                client[0] if client else None,
            )
