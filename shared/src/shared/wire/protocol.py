"""The server's side of a connection: uvicorn's protocol with limits, deadlines and an order of answers."""

import asyncio
from collections import deque
from typing import Any, NoReturn

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from shared.exceptions import ServiceError
from shared.wire import refusal as refusals
from shared.wire.connections import Connections
from shared.wire.cycle import Cycle, asgi_cycle, asgi_scope
from shared.wire.deadlines import ANSWER, BODY, IDLE, REFUSED, Phase, check_deadlines
from shared.wire.flow import Flow
from shared.wire.refusing import UNWANTED_LIMIT, answer_refusal, drop, refuse, stop_parsing

LENGTH_DIGITS = 19  # of 2**63; Python refuses to read a number of thousands of digits
NO_BODY = b"0"


class Protocol(HttpToolsProtocol):
    """One client connection. A subclass can answer some requests without ASGI: see `make_cycle`."""

    flow: Flow
    cycle: Cycle | None  # type: ignore[assignment]  # the newest request; uvicorn's is its own class

    def __init__(self, *args: Any, peers: Connections, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.peers = peers
        self.limits = peers.limits
        self.url = b""
        self.headers = []
        self.phase = Phase.NEW
        self.since = peers.now  # when the current phase made progress
        self.current: Cycle | None = None  # the request that is being answered
        self.waiting: deque[Cycle] = deque()  # those after it, in order
        self.refusal: ServiceError | None = None  # to be answered when its turn comes
        self._head_size = 0
        self._uncounted = False
        self.unwanted = 0  # bytes after a refusal, or around the content of a body that was answered
        self.unsent = 0  # bytes of an answer that the client had not read at `unsent_since`
        self.unsent_since = 0.0
        self._excess = False

    def make_cycle(self) -> Cycle:
        """Who answers the request whose head is complete. Override this to answer without ASGI.

        At hand are `self.headers` (names in lower case), `self.url`, `self.parser.get_method()`,
        `self.keep_alive_wanted()`, `self.client`, `self.app_state` (what the lifespan yielded), `self.flow`
        and `self.transport`. Nothing has been done for ASGI yet: `super().make_cycle()` does it.
        """
        return asgi_cycle(self, asgi_scope(self))

    def keep_alive_wanted(self) -> bool:
        return (
            self.parser.should_keep_alive()
            and self.parser.get_http_version() != "1.0"
            and not self.peers.draining
        )

    # The transport's calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn
        super().connection_made(transport)
        self.flow = Flow(transport)
        self.peers.add(self)
        self.since = self.peers.now
        self._excess = self.peers.full
        if self.peers.overfull:
            answer_refusal(self, refusals.TooManyConnections())
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the signature is asyncio's
        self.connections.discard(self)
        self.peers.discard(self)
        self.lose_all()
        self.flow.resume_writing()
        self.transport.close()
        self.parser = None  # type: ignore[assignment]  # nothing more is parsed

    def data_received(self, data: bytes) -> None:
        """In pieces, so that the size of a head is known well before it is complete."""
        if self.phase is REFUSED:
            drop(self, len(data))
            return
        piece = self.limits.head_limit // 4
        if len(data) <= piece:
            self._read(data)
            return
        view = memoryview(data)
        for start in range(0, len(data), piece):
            self._read(view[start : start + piece])

    def _read(self, data: bytes | memoryview) -> None:
        if self.phase is REFUSED:
            return
        self._uncounted = False
        if self.phase is Phase.UNWANTED:
            self.unwanted += len(data)  # `on_body` takes the content off
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.after_upgrade(bytes(data[upgrade.args[0] :]))
        except httptools.HttpParserError:
            self.refuse(self.refusal or refusals.MalformedRequest())
            return
        if not self._uncounted and (self.phase is Phase.HEAD or self.phase is BODY):
            self._head_size += len(data)  # of a body that brought no byte of content: chunk sizes, trailers
            if self._head_size > self.limits.head_limit:
                self.refuse(refusals.HeadersTooLarge())
        elif self.phase is Phase.UNWANTED and self.unwanted > UNWANTED_LIMIT:
            stop_parsing(self)

    def after_upgrade(self, data: bytes) -> None:
        """What came behind a request to upgrade. It is dropped: upgrades are ignored, see below."""

    # The parser's calls

    def on_message_begin(self) -> None:
        if self.phase is REFUSED:
            raise ValueError("no request may follow")
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._head_size = self.unwanted = 0
        self._uncounted = True
        self.phase = Phase.HEAD
        self.since = self.peers.now

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.phase is not Phase.HEAD:
            return  # a trailer: nobody may take it for a header
        name = name.lower()
        if name == b"content-length" and len(value) > LENGTH_DIGITS:
            self._stop(refusals.MalformedRequest())
        elif name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._excess and self.peers.full:
            self._stop(refusals.TooManyConnections())
        self._excess = False
        if self._head_size and self._head_length() > self.limits.head_limit:
            self._stop(refusals.HeadersTooLarge())
        if len(self.waiting) >= self.limits.pipeline_limit and self.current is not None:
            self._stop(refusals.TooManyPipelined())
        upgrade = self.parser.should_upgrade()
        # Upgrades are ignored, but httptools reads nothing more: neither this request's body nor another one.
        if upgrade and any(name in _FRAMING and value != NO_BODY for name, value in self.headers):
            self._stop(refusals.MalformedRequest())
        self.cycle = cycle = self.make_cycle()
        if upgrade:
            cycle.keep_alive = False
        self.phase = BODY
        if self.current is None:
            self.current = cycle
            cycle.start()
        else:
            self.waiting.append(cycle)
            self.flow.pause_reading()
            self.flow.held = True

    def _head_length(self) -> int:
        """In octets. `_head_size` lacks the pieces in which the head begins and ends."""
        line = len(self.parser.get_method()) + len(self.url) + len(b"  HTTP/1.1\r\n\r\n")
        return line + sum(len(name) + len(value) + len(b": \r\n") for name, value in self.headers)

    def on_body(self, body: bytes) -> None:
        self._uncounted = True
        if self.phase is BODY:
            self.since = self.peers.now
        elif self.phase is Phase.UNWANTED:
            self.unwanted -= len(body)
        if self.cycle is not None:
            self.cycle.feed(body)

    def on_message_complete(self) -> None:
        if self.phase is BODY:
            self.phase = ANSWER
            if self.cycle is not None:
                self.cycle.end()
        elif self.phase is Phase.UNWANTED:
            self.phase = IDLE
            self.since = self.peers.now

    def _stop(self, error: ServiceError) -> NoReturn:
        """Leave the parser; `_read` refuses."""
        self.refusal = error
        raise ValueError(error.code)

    # The application's calls

    def on_response_complete(self) -> None:
        """The request that was being answered is done; the next one starts."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.waiting:
            self.current = self.waiting.popleft()
            self.flow.held = bool(self.waiting) or self.refusal is not None
            self.flow.resume_reading()
            self.current.start()
            return
        self.current = None
        if self.refusal is not None:
            answer_refusal(self, self.refusal)
            return
        if self.flow.read_paused:
            self.flow.resume_reading()
        if self.phase is ANSWER:
            self.phase = IDLE
            self.since = self.peers.now
        elif self.phase is BODY:
            self.phase = Phase.UNWANTED

    def refuse(self, error: ServiceError) -> None:
        """Answer with `error` and close; the requests before the refused one are answered first."""
        refuse(self, error)

    def lose_all(self) -> None:
        for cycle in (self.current, *self.waiting):
            if cycle is not None:
                cycle.lose()
        self.current = None
        self.waiting.clear()

    # Deadlines and draining

    def check_deadlines(self) -> None:
        """Called every `peers.interval` seconds."""
        check_deadlines(self)

    def shutdown(self) -> None:
        """The worker stops: the last request at hand closes the connection; an idle one has the grace."""
        if self.current is None:
            self.check_deadlines()
        elif self.cycle is not None:
            self.cycle.keep_alive = False


_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
