"""One request on a client's connection, and its answer: framing and back-pressure."""

from abc import abstractmethod
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from gateway.wire.reader import Headers
from gateway.wire.request import Request
from shared.wire.refusing import linger

HIGH_WATER = 65_536  # octets of request body that wait before reading from the client pauses
_JOINED = 16_384  # octets of body up to which one copy costs less than a second write
_BODILESS = frozenset({204, 304})
_SERVER_FIELDS: list[Any] = [None, b""]  # uvicorn's own, the date, as it was given and as lines


class ServerStream:
    """What `shared.wire` calls a cycle. A subclass says what is done with the request.

    No attribute has its default in the class, because Python would look it up twenty times as long as a slot.
    It is no ABC, because objects of another metaclass are not made the quick way. mypy knows it as abstract.
    """

    __slots__ = (
        "_chunked",
        "_held",
        "_lost",
        "body_complete",
        "connection",
        "has_body",
        "keep_alive",
        "limit",
        "method",
        "received",
        "request",
        "response_complete",
        "response_started",
        "sent",
        "status",
        "waiting_for_100_continue",
    )

    def __init__(self, connection: Any, request: Request) -> None:
        self.connection = connection
        self.request = request
        self.method = request.method
        self.limit = self.status = 0
        self.received = self.sent = 0  # octets of body
        self.response_started = self.response_complete = False
        self.has_body = self.waiting_for_100_continue = False
        self.body_complete = True
        self._held: bytes | bytearray | None = None
        self._chunked = self._lost = False
        if request.known is not None:
            self.keep_alive = not connection.peers.draining
            return
        self.keep_alive = connection.keep_alive_wanted()
        if request.chunked or request.length:
            self.has_body = True
            self.body_complete = False
            self.waiting_for_100_continue = connection.expect_100_continue

    # The request. What `shared.wire` calls.

    @abstractmethod
    def start(self) -> None: ...

    def feed(self, data: bytes) -> None:
        if self.response_complete or self._lost:
            return
        self.waiting_for_100_continue = False
        self.received += len(data)
        if self.received > self.limit:
            self.over_limit()
        elif self._held is None:
            self._held = data
        else:  # in one piece: thousands of small ones would take many times their length
            if isinstance(self._held, bytes):
                self._held = bytearray(self._held)
            self._held += data

    def end(self) -> None:
        self.body_complete = True

    def lose(self) -> None:
        if not self.response_complete and not self._lost:
            self._lost = True
            self._held = None
            self.abandoned()

    # What a subclass does about it.

    @abstractmethod
    def flush(self) -> None:
        """All that the client has sent until now was fed."""

    @abstractmethod
    def over_limit(self) -> None:
        """The body is larger than `limit`. Called at each further piece until there is an answer."""

    @abstractmethod
    def abandoned(self) -> None:
        """Nobody waits for the answer any more."""

    @abstractmethod
    def finished(self) -> None:
        """The answer was handed to the transport to its end."""

    @abstractmethod
    def drain(self) -> None:
        """The worker stops, and `keep_alive` is False."""

    @abstractmethod
    def check(self, now: float) -> None:
        """Called about once a second, with the loop's time."""

    @abstractmethod
    def pause_writing(self) -> None: ...

    @abstractmethod
    def resume_writing(self) -> None: ...

    # The request's body.

    @property
    def buffered(self) -> int:
        return len(self._held or b"")

    @property
    def owes_body(self) -> bool:
        """True if the client has yet to send what we would read."""
        return not self.body_complete and not self.connection.flow.read_paused

    def ask_for_body(self) -> None:
        """Answers `Expect: 100-continue`."""
        if self.waiting_for_100_continue:
            self.waiting_for_100_continue = False
            self.connection.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def take(self) -> bytes:
        """What has arrived of the body and was not taken yet."""
        held, self._held = self._held, None
        return bytes(held or b"")

    def pause_reading(self) -> None:
        self.connection.flow.pause_reading()

    def resume_reading(self) -> None:
        self.connection.flow.resume_reading()

    # The answer.

    @property
    def write_paused(self) -> bool:
        paused: bool = self.connection.flow.write_paused
        return paused

    def answer(
        self, status: int, fields: list[bytes], length: int | None, body: bytes, *, complete: bool
    ) -> None:
        """The head, and the body as far as it is there. `fields` are `name: value`, Content-Length included.

        `length` None is framed by chunks, or by the end of the connection for HTTP/1.0.
        """
        if self._lost:
            return
        self.response_started = True
        self.status = status
        if self.waiting_for_100_continue:  # it may send its body or not: only one of both can be read on
            self.keep_alive = False
        if self.method == b"HEAD" or status in _BODILESS:
            body = b""
        elif length is None:
            self._frame_unknown_length(fields)
        if not self.keep_alive:
            fields.append(b"connection: close")
        self.sent = len(body)
        fields.append(b"\r\n")
        given: Headers = self.connection.server_state.default_headers
        if given is not _SERVER_FIELDS[0]:
            _SERVER_FIELDS[:] = given, b"".join([b"%b: %b\r\n" % field for field in given])
        self._write(STATUS_LINE[status] + _SERVER_FIELDS[1] + b"\r\n".join(fields), body)
        if complete:
            self.finish()

    def _frame_unknown_length(self, fields: list[bytes]) -> None:
        if self.request.http_1_0:
            self.keep_alive = False
        else:
            self._chunked = True
            fields.append(b"transfer-encoding: chunked")

    def _write(self, head: bytes, body: bytes) -> None:
        transport = self.connection.transport
        if body and self._chunked:
            body = b"%x\r\n%b\r\n" % (len(body), body)
        if len(body) <= _JOINED:
            transport.write(head + body)
        else:
            transport.write(head)
            transport.write(body)

    def write(self, data: bytes) -> None:
        """More of the answer's body."""
        if self._lost or self.method == b"HEAD" or self.status in _BODILESS:
            return
        self.sent += len(data)
        if self._chunked:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        self.connection.transport.write(data)

    def finish(self) -> None:
        """The answer is complete."""
        if self._lost:
            return
        if self._chunked:
            self.connection.transport.write(b"0\r\n\r\n")
        self.response_complete = True
        if not self.keep_alive:
            if self.body_complete:
                self.connection.transport.close()
            else:  # closed at once, it would answer what the client still sends with a reset
                linger(self.connection)
        self.finished()
        self.connection.on_response_complete()

    def cut(self) -> None:
        """The answer cannot be completed: its connection ends, which tells the client."""
        if self.request.http_1_0:
            self.connection.transport.abort()  # a plain end would pass for the end of the body
        else:
            self.connection.transport.close()
