"""Refuses a request body that is larger than the limit, with or without a Content-Length, or no UTF-8."""

import asyncio
import contextlib

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.exceptions import BadRequest, ContentTooLarge, MalformedJson, ServiceError
from shared.problems import problem_response

LINGER = 2.0  # seconds that a caller who closes afterwards is listened to after a refusal
_DIGITS = 20  # of 2**64 - 1
_ZERO = b"\0"


class BodyLimitMiddleware:
    """413 before the first byte is read where `Content-Length` tells, and at the limit where it does not.

    JSON is UTF-8 (RFC 8259, section 8.1), but Python's parser guesses UTF-16 and UTF-32. JSON in those has a
    zero octet somewhere, which in UTF-8 no JSON may have: 400.
    """

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
            await self._refuse(scope, receive, send, ContentTooLarge(limit=self._limit))
            return
        seen = 0
        refusal: ServiceError | None = None
        started = False

        async def receive_within_limit() -> Message:
            nonlocal seen, refusal
            message = await receive()
            body = message.get("body", b"")
            seen += len(body)
            refusal = self._refusal(scope, body, seen)
            if refusal is not None:
                raise refusal
            return message

        async def send_unless_refused(message: Message) -> None:
            nonlocal started
            # What the application makes of the refusal is not sent: a parser may call it a 400.
            if refusal is None:
                started = True
                await send(message)

        try:
            await self._app(scope, receive_within_limit, send_unless_refused)
        except Exception:  # the refusal, bare or in a group, or what was made of it
            if started or refusal is None:
                raise
        if refusal is not None and not started:
            await self._refuse(scope, receive, send, refusal)

    def _refusal(self, scope: Scope, piece: bytes, seen: int) -> ServiceError | None:
        if seen > self._limit:
            return ContentTooLarge(limit=self._limit)
        if _ZERO in piece and _is_json(scope):
            return MalformedJson("The body is not JSON in UTF-8.")
        return None

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, refusal: ServiceError) -> None:
        """Answer, and where the connection closes then, read on for a while before it does.

        A socket closed with unread bytes resets the connection, and a caller that is still sending would
        see that and no answer. A connection that stays open is read on by the server.
        """
        closing = _closes(scope)

        async def send_without_end(message: Message) -> None:
            await send({**message, "more_body": True} if "body" in message else message)

        response = problem_response(refusal, scope["path"])
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


def _is_json(scope: Scope) -> bool:
    kinds = [value.partition(b";")[0].strip() for name, value in scope["headers"] if name == b"content-type"]
    return any(kind.lower().endswith((b"/json", b"+json")) for kind in kinds)


def announced_length(scope: Scope) -> int:
    """Bytes by `Content-Length`, 0 without one. Raises BadRequest for what is no number."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            if not value.isdigit() or len(value) > _DIGITS:  # Python refuses to read thousands of digits
                raise BadRequest("Content-Length is not a number.")
            return int(value)
    return 0
