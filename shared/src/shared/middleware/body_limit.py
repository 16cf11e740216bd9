"""Refuses a request body that is larger than the limit, with or without a Content-Length."""

import asyncio
import contextlib

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.exceptions import BadRequest, ContentTooLarge
from shared.problems import problem_response

LINGER = 2.0  # seconds that a caller who closes afterwards is listened to after a refusal
_DIGITS = 20  # of 2**64 - 1


class BodyLimitMiddleware:
    """413 before the first byte is read where `Content-Length` tells, and at the limit where it does not."""

    def __init__(self, app: ASGIApp, limit: int, streamed: tuple[str, ...] = ()) -> None:
        """`streamed` are beginnings of paths whose bodies are read as they come, however long."""
        self._app = app
        self._limit = limit
        self._streamed = streamed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(self._streamed):
            await self._app(scope, receive, send)
            return
        if announced_length(scope) > self._limit:
            await self._refuse(scope, receive, send)
            return
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
        except Exception:  # the refusal, bare or in a group, or what was made of it
            if started or not over:
                raise
        if over and not started:
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and where the connection closes then, read on for a while before it does.

        A socket closed with unread bytes resets the connection, and a caller that is still sending would
        see that and no answer. A connection that stays open is read on by the server.
        """
        closing = _closes(scope)

        async def send_without_end(message: Message) -> None:
            await send({**message, "more_body": True} if "body" in message else message)

        response = problem_response(ContentTooLarge(limit=self._limit), scope["path"])
        await response(scope, receive, send_without_end if closing else send)
        if closing:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LINGER):
                    while (await receive()).get("more_body"):
                        pass
            await send({"type": "http.response.body", "body": b""})


def _closes(scope: Scope) -> bool:
    return scope["http_version"] == "1.0" or any(
        name == b"connection" and b"close" in value.lower() for name, value in scope["headers"]
    )


def announced_length(scope: Scope) -> int:
    """Bytes by `Content-Length`, 0 without one. Raises BadRequest for what is no number."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            if not value.isdigit() or len(value) > _DIGITS:  # Python refuses to read thousands of digits
                raise BadRequest("Content-Length is not a number.")
            return int(value)
    return 0
