"""One TCP connection to an upstream: carries one exchange after another, keeps their deadlines."""

import asyncio
import select
from typing import cast

from gateway.wire.exceptions import UpstreamBroken, UpstreamError, UpstreamTimeout
from gateway.wire.lazy_timer import LazyTimer
from gateway.wire.reader import ResponseReader
from gateway.wire.receiver import Owner, Receiver

WHOLE_BODY = 16 * 1024
"""Octets up to which a body of declared length is awaited whole: it costs the client one write, and an
upstream that dies halfway becomes an error instead of a cut response."""

_FIRST_ERROR = 300


class Connection(asyncio.Protocol):
    """States: idle (no receiver), waiting for the head, body under way, closed.

    The connection goes back to its owner as soon as the response is parsed to its end, even if the client
    has yet to read it: a slow client does not hold an upstream connection for a body that is here already.
    """

    def __init__(self, upstream: str, owner: "Owner[Connection]", idle_timeout: float) -> None:
        self.closed = False
        self.used = False  # at least one exchange was completed on it
        self.write_paused = False
        self._upstream = upstream
        self._owner = owner
        self._idle_timeout = idle_timeout
        self._loop = asyncio.get_running_loop()
        self.opened_at = self._loop.time()
        self._transport: asyncio.Transport
        self._readable = select.poll()
        self._reader = ResponseReader()
        self._receiver: Receiver | None = None
        self._answered = self._sent = self._stopped = False
        self._read_paused = False
        self._total_by = self._first_byte_timeout = 0.0
        self._patience = 0.0  # seconds from piece to piece, for an answer that may never end
        self._timer = LazyTimer(self._loop, self._expire)

    # The exchange, as its receiver drives it.

    def is_stale(self) -> bool:
        """True if the upstream closed the connection or sent bytes that were not read yet.

        The system call costs 0.3 µs and spares a POST, which could not be repeated, the broken connection.
        """
        return self.closed or bool(self._readable.poll(0))

    def begin(
        self,
        receiver: Receiver,
        data: bytes,
        *,
        sent: bool,
        head_only: bool,
        first_byte_timeout: float,
        total_by: float,
        upgrade: bool = False,
    ) -> None:
        """Sends the head and what is there of the body; `sent` if that is the whole request.

        `first_byte_timeout` is in seconds and starts when all is sent; `total_by` is in the loop's time.
        """
        self._reader.expect(head_only=head_only, upgrade=upgrade)
        self._receiver = receiver
        self._answered = self._stopped = False
        self._patience = 0.0
        self._sent = sent
        self._total_by = total_by
        self._first_byte_timeout = first_byte_timeout
        if sent:
            self._await_head()
        else:
            self._timer.set(total_by, "total")
        self._transport.write(data)

    def send(self, data: bytes, *, last: bool) -> None:
        """More of the request, framed. Nothing is sent after an error answered an unfinished request.

        RFC 9112, section 9.3. An early success does not stop it: its upstream may transform what it reads.
        """
        if self.closed or self._stopped:
            return
        if last:
            self._sent = True
            if not self._reader.final:
                self._await_head()
        self._transport.write(data)

    def pause(self) -> None:
        if not self._read_paused and not self.closed:
            self._read_paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._read_paused and not self.closed:
            self._read_paused = False
            self._transport.resume_reading()

    def allow_endless(self, patience: float) -> None:
        """From now on no total deadline holds, but each piece has to come within `patience` seconds."""
        self._patience = patience
        self._timer.set(self._loop.time() + patience, "idle")

    def abandon(self, receiver: Receiver) -> None:
        """The receiver wants no more; closes unless its exchange is over already."""
        if self._receiver is receiver:
            self.discard()

    def cut(self, reason: str) -> None:
        """Closes at once; whoever still waits for something is told UpstreamBroken."""
        self._fail(UpstreamBroken(self._upstream, reason))

    def discard(self) -> None:
        """Closes at once and gives the slot back. Safe to repeat."""
        if self.closed:
            return
        self.closed = True
        self._receiver = None
        self._timer.cancel()
        self._transport.abort()
        self._owner.lost(self)

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._readable.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        if self.closed:
            return
        if self._receiver is None:
            self.discard()  # unasked: it would be taken for the answer to the next request
            return
        reader = self._reader
        fault = reader.feed(data)
        if fault is not None:
            self._fail(UpstreamBroken(self._upstream, fault))
        elif reader.switched:
            self._hand_over(self._receiver)
        elif reader.complete:
            self._finish(self._receiver)
        elif reader.final:
            self._go_on(self._receiver)

    def eof_received(self) -> None:
        self._end_of_stream(told=True)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Without an end of the stream before it: an error, or over TLS no alert that the server closes."""
        self._end_of_stream(told=False)

    def pause_writing(self) -> None:
        self.write_paused = True

    def resume_writing(self) -> None:
        self.write_paused = False
        if self._receiver is not None:
            self._receiver.may_send()

    # How an exchange goes on and ends.

    def _await_head(self) -> None:
        by = self._loop.time() + self._first_byte_timeout
        if by < self._total_by:
            self._timer.set(by, "first byte")
        else:
            self._timer.set(self._total_by, "total")

    def _go_on(self, receiver: Receiver) -> None:
        reader = self._reader
        if self._answered:
            if self._patience:
                self._timer.set(self._loop.time() + self._patience, "idle")
            if reader.chunks:
                receiver.received(reader.take())
            return
        self._timer.set(self._total_by, "total")
        if reader.length is not None and reader.length <= WHOLE_BODY:
            return
        self._answered = True
        self._stopped = not self._sent and reader.status >= _FIRST_ERROR
        receiver.answered(reader.status, reader.headers, reader.length, reader.take(), complete=False)

    def _finish(self, receiver: Receiver) -> None:
        reader, answered = self._reader, self._answered
        status, headers, length, body = reader.status, reader.headers, reader.length, reader.take()
        self._receiver = None
        if reader.reusable and self._sent and not self._transport.get_write_buffer_size():
            self.used = True
            self._timer.set(self._loop.time() + self._idle_timeout, "idle")
            self.resume()
            self._owner.returned(self)
        else:
            self.discard()
        if not answered:
            receiver.answered(status, headers, length, body, complete=True)
            return
        if body:
            receiver.received(body)
        receiver.ended()

    def _hand_over(self, receiver: Receiver) -> None:
        """What follows is no HTTP: the transport leaves the pool, and its slot is free."""
        self.closed = True
        self._receiver = None
        self._timer.cancel()
        self._owner.lost(self)
        receiver.switched(self._transport, self._reader.headers, self._reader.take())

    def _fail(self, error: UpstreamError) -> None:
        receiver = self._receiver
        self.discard()
        if receiver is not None:
            receiver.failed(error)

    def _end_of_stream(self, *, told: bool) -> None:
        """`told` by the upstream: only then does it end a body of unknown length (RFC 9112, section 9.8)."""
        if self.closed:
            return
        receiver = self._receiver
        if receiver is None:
            self.discard()
        elif told and self._reader.feed_eof():
            self._finish(receiver)
        elif self._reader.answered:
            self._fail(UpstreamBroken(self._upstream, "closed before the end of the response"))
        else:
            self._fail(UpstreamBroken(self._upstream, "closed without an answer", unanswered=True))

    def _expire(self) -> None:
        if self._receiver is None:
            self.discard()
        else:
            self._fail(UpstreamTimeout(self._upstream, f"{self._timer.name} timeout"))
