"""The response body between the connection that fills it and the caller who drains it."""

import asyncio


class BodyBuffer:
    """Chunks in order of arrival, then an end or an error. One producer, one consumer, one event loop."""

    __slots__ = ("_chunks", "_waiter", "buffered", "ended", "error")

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None
        self.buffered = 0  # octets
        self.ended = False
        self.error: Exception | None = None

    def push(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self.buffered += len(chunk)

    def end(self) -> None:
        self.ended = True
        self.wake()

    def fail(self, error: Exception) -> None:
        """What arrived before can still be taken; the error comes after it."""
        self.error = error
        self.wake()

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def take(self) -> bytes:
        """Everything buffered, as one piece: one message to the client costs less than many."""
        chunks = self._chunks
        piece = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self._chunks = []
        self.buffered = 0
        return piece

    def peek(self) -> bytes:
        chunks = self._chunks
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def ends_with(self, data: bytes) -> bool:
        """Whether the last chunk is also the end of `data`, the bytes it was read from."""
        return bool(self._chunks) and data.endswith(self._chunks[-1])

    async def more(self) -> None:
        """Returns once there is something to take, the end, or an error."""
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter
