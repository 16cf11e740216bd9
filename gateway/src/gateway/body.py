"""The request body on its way through: never whole in memory unless it came whole, never over its limit."""

import asyncio
from collections.abc import AsyncIterator

from starlette.types import Receive, Scope

from gateway.exceptions import BodyTooSlow, LengthAmbiguous
from shared.exceptions import ContentTooLarge


class ClientGone(Exception):
    """The client left before its request was complete; there is nobody to answer."""


async def request_body(
    scope: Scope, receive: Receive, limit: int, patience: float
) -> AsyncIterator[bytes] | bytes | None:
    """None where there is none, bytes where one message held all of it, and chunks otherwise.

    Raises LengthAmbiguous, and, while iterating too, ContentTooLarge, ClientGone, and BodyTooSlow when not
    all of the body has come within `patience` seconds.
    """
    announced, chunked = _framing(scope)
    if announced == 0 or (announced is None and not chunked):
        return None
    if announced is not None and announced > limit:
        raise ContentTooLarge(limit=limit)
    body = _Body(receive, limit, asyncio.get_running_loop().time() + patience)
    first = await body.read()
    return body.rest(first) if body.more else first


class _Body:
    """What `receive` tells of the body, held to its limit (bytes) and its time (`by`, in the loop's)."""

    def __init__(self, receive: Receive, limit: int, by: float) -> None:
        self._receive = receive
        self._limit = limit
        self._by = by
        self._seen = 0
        self.more = True

    async def read(self) -> bytes:
        try:
            async with asyncio.timeout_at(self._by):
                message = await self._receive()
        except TimeoutError:
            raise BodyTooSlow from None
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk: bytes = message.get("body", b"")
        self.more = message.get("more_body", False)
        self._seen += len(chunk)
        if self._seen > self._limit:
            raise ContentTooLarge(limit=self._limit)
        return chunk

    async def rest(self, first: bytes) -> AsyncIterator[bytes]:
        if first:
            yield first
        while self.more:
            if chunk := await self.read():
                yield chunk


def _framing(scope: Scope) -> tuple[int | None, bool]:
    """Content-Length, and whether the body is chunked. Two lengths, or both framings, are refused.

    RFC 9112, section 6.3: a message with both is an attempt at request smuggling.
    """
    length: int | None = None
    chunked = False
    for name, value in scope["headers"]:
        if name == b"content-length":
            if length is not None or not value.isdigit():
                raise LengthAmbiguous
            length = int(value)
        elif name == b"transfer-encoding":
            if chunked or value.strip().lower() != b"chunked":
                raise LengthAmbiguous
            chunked = True
    if chunked and length is not None:
        raise LengthAmbiguous
    return length, chunked
