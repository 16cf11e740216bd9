"""What an upstream answered, as the caller sees it."""

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Protocol, Self

from gateway.upstream.body import BodyBuffer


class BodySource(Protocol):
    """The connection, as far as a response needs it."""

    def resume(self) -> None: ...

    def abandon(self, body: BodyBuffer) -> None: ...


class UpstreamResponse:
    """A final response: `status`, `headers` with lower-case names, and a body that may be on its way.

    Read the body once, either as `complete_body` or by iterating. A response that is not read to its end
    must be closed, by `aclose()`, `async with`, or by leaving the loop over it.
    """

    __slots__ = ("_body", "_source", "headers", "status")

    def __init__(
        self, status: int, headers: list[tuple[bytes, bytes]], body: BodyBuffer, source: BodySource
    ) -> None:
        self.status = status
        self.headers = headers
        self._body = body
        self._source = source

    @property
    def complete_body(self) -> bytes | None:
        """The whole body if it has arrived already, else None: then iterate."""
        return self._body.peek() if self._body.ended else None

    @property
    def buffered(self) -> int:
        """Octets of body that have arrived and were not taken yet."""
        return self._body.buffered

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Chunks as they come. Raises UpstreamBroken if the body is cut, UpstreamTimeout if it is late."""
        body = self._body
        try:
            while True:
                if body.buffered:
                    chunk = body.take()
                    self._source.resume()
                    yield chunk
                elif body.ended:
                    return
                elif body.error is not None:
                    raise body.error
                else:
                    await body.more()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Gives up the rest of the body: its connection is closed unless the response was complete."""
        self._source.abandon(self._body)

    async def aclose(self) -> None:
        """`abandon()`, for `contextlib.aclosing` and the like."""
        self.abandon()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abandon()
