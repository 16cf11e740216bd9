"""Refuses a request body that is larger than the service takes, announced or not."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.exceptions import BadRequest, ContentTooLarge
from shared.problems import problem_response


class BodyLimitMiddleware:
    """413 before the first byte is read where `Content-Length` tells, and at the limit where it does not."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if announced_length(scope) > self._limit:
            raise ContentTooLarge(limit=self._limit)
        seen = 0
        over = started = False

        async def receive_within_limit() -> Message:
            nonlocal seen, over
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._limit:
                over = True
                raise ContentTooLarge(limit=self._limit)
            return message

        async def send_unless_over(message: Message) -> None:
            nonlocal started
            if not over:  # what the application makes of the refusal is not sent: a parser may call it a 400
                started = True
                await send(message)

        try:
            await self._app(scope, receive_within_limit, send_unless_over)
        except ContentTooLarge:
            if started:
                raise
        if over and not started:
            await problem_response(ContentTooLarge(limit=self._limit), scope["path"])(scope, receive, send)


def announced_length(scope: Scope) -> int:
    """Bytes by `Content-Length`, 0 without one. Raises BadRequest for what is no number."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            if not value.isdigit():
                raise BadRequest("Content-Length is not a number.")
            return int(value)
    return 0
