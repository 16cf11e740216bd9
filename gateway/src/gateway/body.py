"""The request body on its way through: never whole in memory unless it came whole, never over its limit."""

import asyncio
from collections.abc import AsyncIterator

from starlette.types import Message, Receive, Scope

from gateway.exceptions import BodyTooSlow, LengthAmbiguous
from shared.exceptions import ContentTooLarge


class ClientGone(Exception):
    """The client left before its request was complete; there is nobody to answer."""


async def request_body(
    scope: Scope, receive: Receive, limit: int, patience: float
) -> AsyncIterator[bytes] | bytes | None:
    """None where there is none, bytes where one message held all of it, and chunks otherwise.

    Raises ContentTooLarge (while iterating, too), LengthAmbiguous, ClientGone, and BodyTooSlow when nothing
    of an announced body comes within `patience` seconds.
    """
    announced, chunked = _framing(scope)
    if announced == 0 or (announced is None and not chunked):
        return None
    if announced is not None and announced > limit:
        raise ContentTooLarge(limit=limit)
    try:
        async with asyncio.timeout(patience):
            first = _content(await receive(), 0, limit)
    except TimeoutError:
        raise BodyTooSlow from None
    if not first.get("more_body", False):
        return bytes(first["body"])
    return _chunks(first["body"], receive, limit)


async def _chunks(first: bytes, receive: Receive, limit: int) -> AsyncIterator[bytes]:
    seen = len(first)
    if first:
        yield first
    more = True
    while more:
        message = _content(await receive(), seen, limit)
        more = message.get("more_body", False)
        seen += len(message["body"])
        if message["body"]:
            yield message["body"]


def _content(message: Message, seen: int, limit: int) -> Message:
    if message["type"] == "http.disconnect":
        raise ClientGone
    message.setdefault("body", b"")
    if seen + len(message["body"]) > limit:
        raise ContentTooLarge(limit=limit)
    return message


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
