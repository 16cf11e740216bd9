"""One TCP connection to an upstream: carries one exchange after another, keeps their deadlines."""

import asyncio
import select
from typing import Protocol, cast

from gateway.upstream.body import BodyBuffer
from gateway.upstream.exceptions import UpstreamBroken, UpstreamTimeout
from gateway.upstream.reader import ResponseReader
from gateway.upstream.response import UpstreamResponse
from gateway.upstream.sender import BodySender

HIGH_WATER = 256 * 1024
"""Octets of response body buffered before reading from the upstream pauses."""

WHOLE_BODY = 16 * 1024
"""Octets up to which a body of declared length is awaited whole: it costs the client one message, and an
upstream that dies halfway becomes an error instead of a cut response."""

_LONGEST_TIMER = 3600.0
_FIRST_ERROR = 300


class Owner(Protocol):
    """Whoever lends connections out: told once when one is free again, once when it is gone."""

    def returned(self, connection: "Connection") -> None: ...

    def lost(self, connection: "Connection") -> None: ...


class Connection(asyncio.Protocol):
    """States: idle (no exchange), waiting for the head, body under way, closed.

    The connection goes back to its owner as soon as the response is parsed to its end, even if the caller
    has yet to drain it: a slow client does not hold an upstream connection for a body that is here already.
    """

    def __init__(self, upstream: str, owner: Owner, idle_timeout: float) -> None:
        self.closed = False
        self.used = False  # at least one exchange was completed on it
        self._upstream = upstream
        self._owner = owner
        self._idle_timeout = idle_timeout
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._readable = select.poll()
        self._reader = ResponseReader()
        self._head: asyncio.Future[UpstreamResponse] | None = None
        self._body: BodyBuffer | None = None
        self._sender: BodySender | None = None
        self._paused = False
        self._deadline = self._total_by = 0.0
        self._deadline_name = ""
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0

    # The exchange, as the pool drives it.

    def is_stale(self) -> bool:
        """Whether the upstream has closed or spoken since the last exchange, be it unread in the kernel.

        The system call costs 0.3 µs and spares a POST, which could not be repeated, the broken connection.
        """
        return self.closed or bool(self._readable.poll(0))

    async def exchange(
        self, head: bytes, body: bytes | None, *, head_only: bool, first_byte_timeout: float, total_by: float
    ) -> UpstreamResponse:
        """Sends a request whose body is at hand. Cancelled or failed, the connection is closed.

        `first_byte_timeout` is in seconds, `total_by` in the loop's time.
        """
        waiter = self._begin(head_only=head_only, total_by=total_by)
        self._await_head(first_byte_timeout)
        self._transport.write(head + body if body else head)
        try:
            return await waiter
        except BaseException:
            self._give_up(waiter)
            raise

    async def exchange_streaming(
        self,
        head: bytes,
        sender: BodySender,
        *,
        head_only: bool,
        first_byte_timeout: float,
        total_by: float,
    ) -> UpstreamResponse:
        """Sends a request whose body arrives bit by bit. The first-byte timeout starts when all is sent.

        An error that answers an unfinished body stops the sending (RFC 9112, section 9.3); an early
        success does not, its upstream may be transforming what it reads.
        """
        waiter = self._begin(head_only=head_only, total_by=total_by)
        self._sender = sender
        self._set_deadline(total_by, "total")
        self._transport.write(head)
        sender.start(self._transport, lambda error: self._body_sent(sender, error, first_byte_timeout))
        try:
            return await waiter
        except BaseException:
            self._give_up(waiter)
            raise
        finally:
            if sender.stopping:
                await sender.stopped()

    def _begin(self, *, head_only: bool, total_by: float) -> asyncio.Future[UpstreamResponse]:
        self._reader.expect(head_only=head_only)
        self._total_by = total_by
        self._head = self._loop.create_future()
        return self._head

    def _await_head(self, first_byte_timeout: float) -> None:
        by = self._loop.time() + first_byte_timeout
        if by < self._total_by:
            self._set_deadline(by, "first byte")
        else:
            self._set_deadline(self._total_by, "total")

    def _body_sent(self, sender: BodySender, error: Exception | None, first_byte_timeout: float) -> None:
        if self._sender is not sender:
            return  # its exchange is over
        if error is not None:
            self._fail(error)
        elif self._head is not None:
            self._await_head(first_byte_timeout)

    def _give_up(self, waiter: asyncio.Future[UpstreamResponse]) -> None:
        if self._head is waiter:
            self.discard()
        elif not waiter.cancelled() and waiter.exception() is None:
            waiter.result().abandon()  # it came in the same turn of the loop as the cancellation

    def abandon(self, body: BodyBuffer) -> None:
        """The caller wants no more of `body`; closes unless the exchange is over already."""
        if self._body is body:
            self.cut("the response was given up")

    def cut(self, reason: str) -> None:
        """Closes at once; whoever still waits for something gets UpstreamBroken."""
        self._fail(UpstreamBroken(self._upstream, reason))

    def resume(self) -> None:
        """The caller has drained the buffer."""
        if self._paused and not self.closed:
            self._paused = False
            self._transport.resume_reading()

    def discard(self) -> None:
        """Closes at once and gives the slot back. Safe to repeat."""
        if self.closed:
            return
        self.closed = True
        self._head = self._body = None
        if self._timer is not None:
            self._timer.cancel()
        if self._sender is not None:
            self._sender.stop()
            self._sender = None
        self._transport.abort()
        self._owner.lost(self)

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._readable.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        if self.closed:
            return
        if self._head is None and self._body is None:
            self.discard()  # unasked: it would be taken for the answer to the next request
            return
        reader = self._reader
        fault = reader.feed(data)
        if fault is not None:
            self._fail(UpstreamBroken(self._upstream, fault))
        elif reader.complete:
            self._finish()
        elif reader.body is not None:
            self._go_on(reader.body)

    def eof_received(self) -> None:
        self._end_of_stream(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_of_stream(exc)

    def pause_writing(self) -> None:
        if self._sender is not None:
            self._sender.pause()

    def resume_writing(self) -> None:
        if self._sender is not None:
            self._sender.resume()

    # How an exchange goes on and ends.

    def _go_on(self, body: BodyBuffer) -> None:
        length = self._reader.length
        if self._head is not None:
            self._set_deadline(self._total_by, "total")
            if length is not None and length <= WHOLE_BODY:
                return
            self._deliver(body)
        body.wake()
        if body.buffered > HIGH_WATER and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def _deliver(self, body: BodyBuffer) -> None:
        waiter, self._head = self._head, None
        if waiter is None or waiter.done():
            self.discard()
            return
        self._body = body
        waiter.set_result(UpstreamResponse(self._reader.status, self._reader.headers, body, self))
        if self._sender is not None and self._reader.status >= _FIRST_ERROR:
            self._sender.stop()

    def _finish(self) -> None:
        body = cast("BodyBuffer", self._reader.body)
        body.end()
        if self._head is not None:
            self._deliver(body)
        if self.closed:
            return
        self._body = None
        sent = self._sender is None or self._sender.done
        if self._reader.reusable and sent and not self._transport.get_write_buffer_size():
            self._sender = None
            self.used = True
            self._set_deadline(self._loop.time() + self._idle_timeout, "idle")
            self.resume()
            self._owner.returned(self)
        else:
            self.discard()

    def _fail(self, error: Exception) -> None:
        waiter, body = self._head, self._body
        self.discard()
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        elif body is not None:
            body.fail(error)

    def _end_of_stream(self, exc: Exception | None) -> None:
        if self.closed:
            return
        if exc is None and self._reader.feed_eof():
            self._finish()
        elif self._head is None and self._body is None:
            self.discard()
        elif self._reader.answered:
            self._fail(UpstreamBroken(self._upstream, "closed before the end of the response"))
        else:
            self._fail(UpstreamBroken(self._upstream, "closed without an answer", unanswered=True))

    # One lazy timer for all deadlines. Moving a deadline back, as every request does, is an assignment: the
    # timer fires early, sees that, and is set anew. Per request that costs no timer at all.

    def _set_deadline(self, when: float, name: str) -> None:
        self._deadline, self._deadline_name = when, name
        if self._timer is None or when < self._timer_at:
            self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        now = self._loop.time()
        # Not below a millisecond, the resolution of uvloop's clock; not infinite, which it cannot count.
        delay = min(max(self._deadline - now, 0.001), _LONGEST_TIMER)
        self._timer_at = now + delay
        self._timer = self._loop.call_at(self._timer_at, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self._loop.time() < self._deadline:
            self._arm()
        elif self._head is None and self._body is None:
            self.discard()
        else:
            self._fail(UpstreamTimeout(self._upstream, f"{self._deadline_name} timeout"))
