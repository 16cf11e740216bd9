"""The request body on its way through: never whole in memory unless it came whole, never over its limit."""

import asyncio
from collections.abc import AsyncIterator

from starlette.types import Receive, Scope

from gateway.exceptions import BodyTooSlow, LengthAmbiguous
from shared.exceptions import ContentTooLarge


class ClientGone(Exception):
    """The client left before its request was complete; there is nobody to answer."""


class RequestBody:
    """`receive` until the body's end, held to `limit` bytes.

    Raises ContentTooLarge and ClientGone, at the first bytes and at any later ones.
    """

    def __init__(self, scope: Scope, receive: Receive, limit: int) -> None:
        self._scope = scope
        self._receive = receive
        self._limit = limit
        self._seen = 0
        self._more = True
        self.owed = False  # the client has yet to send what we wait for

    async def content(self, patience: float) -> AsyncIterator[bytes] | bytes | None:
        """None where there is no body, bytes where one message held all of it, and chunks otherwise.

        Raises LengthAmbiguous, and BodyTooSlow when nothing of the body comes within `patience` seconds.
        """
        announced, chunked = _framing(self._scope)
        if announced == 0 or (announced is None and not chunked):
            return None
        if announced is not None and announced > self._limit:
            raise ContentTooLarge(limit=self._limit)
        try:
            async with asyncio.timeout(patience):
                first = await self._read()
        except TimeoutError:
            raise BodyTooSlow from None
        return self._chunks(first) if self._more else first

    async def _chunks(self, first: bytes) -> AsyncIterator[bytes]:
        if first:
            yield first
        while self._more:
            if chunk := await self._read():
                yield chunk

    async def _read(self) -> bytes:
        self.owed = True
        message = await self._receive()
        self.owed = False
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk: bytes = message.get("body", b"")
        self._more = message.get("more_body", False)
        self._seen += len(chunk)
        if self._seen > self._limit:
            raise ContentTooLarge(limit=self._limit)
        return chunk


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
