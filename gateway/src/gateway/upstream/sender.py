"""Sends a request body that arrives bit by bit, no faster than the upstream takes it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable


class BodySender:
    """Runs beside the wait for the response, because an upstream may answer before it has read all.

    `length` is the declared content-length in octets; None sends chunks (RFC 9112, section 7.1).
    """

    def __init__(self, body: AsyncIterator[bytes], length: int | None) -> None:
        self._body = body
        self._length = length
        self._task: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self.stopping = False
        self.done = False  # the whole body was handed to the transport

    def start(self, transport: asyncio.WriteTransport, on_end: Callable[[Exception | None], None]) -> None:
        """`on_end` hears what ended the sending: None, or what the body or its length did wrong."""

        def ended(task: asyncio.Task[None]) -> None:
            error = None if task.cancelled() else task.exception()
            if self.done:
                on_end(None)
            elif not self.stopping:
                on_end(error if isinstance(error, Exception) else RuntimeError("the body was cancelled"))

        self._task = asyncio.get_running_loop().create_task(self._send_and_close(transport))
        self._task.add_done_callback(ended)

    def pause(self) -> None:
        self._writable.clear()

    def resume(self) -> None:
        self._writable.set()

    def stop(self) -> None:
        """Sends nothing more; the body is cancelled wherever it waits."""
        if self._task is not None and not self._task.done():
            self.stopping = True
            self._task.cancel()

    async def stopped(self) -> None:
        """Waits until the body's iterator is no longer in use."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _send_and_close(self, transport: asyncio.WriteTransport) -> None:
        try:
            await self._send(transport)
        finally:
            if isinstance(self._body, AsyncGenerator):
                await self._body.aclose()  # a generator stopped halfway has things to put away, too

    async def _send(self, transport: asyncio.WriteTransport) -> None:
        left = self._length
        async for chunk in self._body:
            if not chunk:
                continue  # an empty chunk would end a chunked body
            if left is None:
                transport.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            else:
                left -= len(chunk)
                if left < 0:
                    # Surplus octets would be the next request to the upstream.
                    raise ValueError("the request body is longer than its content-length")
                transport.write(chunk)
            if transport.is_closing():
                # It swallows what is written and never pauses; its end, about to be told, cancels this wait.
                self._writable.clear()
            await self._writable.wait()
        if left is None:
            transport.write(b"0\r\n\r\n")
        elif left:
            raise ValueError("the request body is shorter than its content-length")
        self.done = True
