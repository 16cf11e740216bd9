"""The server's side of a connection: uvicorn's protocol with limits, deadlines and an order of answers."""

import asyncio
from collections import deque
from typing import Any, NoReturn

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from shared.exceptions import ServiceError
from shared.wire import refusal as refusals
from shared.wire.connections import Connections
from shared.wire.counters import CLOSED
from shared.wire.cycle import Cycle, asgi_cycle, asgi_scope
from shared.wire.deadlines import ANSWER, IDLE, Phase, check_deadlines

LENGTH_DIGITS = 19  # of 2**63; Python refuses to read a number of thousands of digits
NO_BODY = b"0"
UNWANTED_LIMIT = 1 << 20  # bytes that may come after a refusal, or around the content after an answer


class Flow(FlowControl):
    """Reading stays paused while `held`, whatever the request that is being answered asks for."""

    held = False

    def resume_reading(self) -> None:
        if self.read_paused and not self.held:
            super().resume_reading()


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
        self._refusal: ServiceError | None = None
        self._head_size = 0
        self._uncounted = False
        self._unwanted = 0  # bytes after a refusal, or around the content of a body that was answered
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
            self._answer_refusal(refusals.TooManyConnections())
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the signature is asyncio's
        self.connections.discard(self)
        self.peers.discard(self)
        self._lose_all()
        self.flow.resume_writing()
        self.transport.close()
        self.parser = None  # type: ignore[assignment]  # nothing more is parsed

    def data_received(self, data: bytes) -> None:
        """In pieces, so that the size of a head is known well before it is complete."""
        if self.phase is Phase.REFUSED:
            self._drop(len(data))
            return
        piece = self.limits.head_limit // 4
        if len(data) <= piece:
            self._read(data)
            return
        view = memoryview(data)
        for start in range(0, len(data), piece):
            self._read(view[start : start + piece])

    def _read(self, data: bytes | memoryview) -> None:
        if self.phase is Phase.REFUSED:
            return
        self._uncounted = False
        if self.phase is Phase.UNWANTED:
            self._unwanted += len(data)  # `on_body` takes the content off
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.after_upgrade(bytes(data[upgrade.args[0] :]))
        except httptools.HttpParserError:
            self.refuse(self._refusal or refusals.MalformedRequest())
            return
        if not self._uncounted and (self.phase is Phase.HEAD or self.phase is Phase.BODY):
            self._head_size += len(data)  # of a body that brought no byte of content: chunk sizes, trailers
            if self._head_size > self.limits.head_limit:
                self.refuse(refusals.HeadersTooLarge())
        elif self.phase is Phase.UNWANTED and self._unwanted > UNWANTED_LIMIT:
            self._stop_parsing()

    def _stop_parsing(self) -> None:
        """Content costs little to drop, what is around it much: it would take the time of other clients."""
        CLOSED.labels("unwanted_body").inc()
        self._unwanted = 0
        self.phase = Phase.REFUSED
        self.since = self.peers.now
        self.transport.write_eof()

    def _drop(self, size: int) -> None:
        """What follows a refusal is read for a while, so that the client sees the refusal and no reset."""
        self._unwanted += size
        if self._unwanted > UNWANTED_LIMIT:
            self.flow.pause_reading()

    def after_upgrade(self, data: bytes) -> None:
        """What came behind a request to upgrade. It is dropped: upgrades are ignored, see below."""

    # The parser's calls

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._head_size = self._unwanted = 0
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
        if len(self.waiting) >= self.limits.pipeline_limit and self.current is not None:
            self._stop(refusals.TooManyPipelined())
        upgrade = self.parser.should_upgrade()
        # Upgrades are ignored, but httptools reads nothing more: neither this request's body nor another one.
        if upgrade and any(name in _BODY and value != NO_BODY for name, value in self.headers):
            self._stop(refusals.MalformedRequest())
        self.cycle = cycle = self.make_cycle()
        if upgrade:
            cycle.keep_alive = False
        self.phase = Phase.BODY
        if self.current is None:
            self.current = cycle
            cycle.start()
        else:
            self.waiting.append(cycle)
            self.flow.pause_reading()
            self.flow.held = True

    def on_body(self, body: bytes) -> None:
        self._uncounted = True
        if self.phase is Phase.BODY:
            self.since = self.peers.now
        elif self.phase is Phase.UNWANTED:
            self._unwanted -= len(body)
        if self.cycle is not None:
            self.cycle.feed(body)

    def on_message_complete(self) -> None:
        if self.phase is Phase.UNWANTED:
            self.phase = IDLE
            self.since = self.peers.now
            return
        self.phase = ANSWER
        if self.cycle is not None:
            self.cycle.end()

    def _stop(self, error: ServiceError) -> NoReturn:
        """Leave the parser; `_read` refuses."""
        self._refusal = error
        raise ValueError(error.code)

    # The application's calls

    def on_response_complete(self) -> None:
        """The request that was being answered is done; the next one starts."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.waiting:
            self.current = self.waiting.popleft()
            self.flow.held = bool(self.waiting) or self._refusal is not None
            self.flow.resume_reading()
            self.current.start()
            return
        self.current = None
        if self._refusal is not None:
            self._answer_refusal(self._refusal)
            return
        if self.flow.read_paused:
            self.flow.resume_reading()
        if self.phase is ANSWER:
            self.phase = IDLE
            self.since = self.peers.now
        elif self.phase is Phase.BODY:
            self.phase = Phase.UNWANTED

    # Refusals

    def refuse(self, error: ServiceError) -> None:
        """Answer with `error` and close; the requests before the refused one are answered first."""
        if self.phase is Phase.REFUSED:
            return
        self._refusal = error
        broken = self.cycle if self.phase is Phase.BODY else None  # its own body is what is wrong
        self.phase = Phase.REFUSED
        self.since = self.peers.now
        if broken is not None and broken in self.waiting:
            self.waiting.remove(broken)
            broken.lose()
        if self.current is not None and self.current is not broken:
            self.flow.pause_reading()
            self.flow.held = True
            return
        begun = self.current is not None and self.current.response_started
        self._lose_all()
        if begun:  # the refusal would pass for a part of the answer that is under way
            self.transport.close()
        else:
            self._answer_refusal(error)

    def _answer_refusal(self, error: ServiceError) -> None:
        """The sending side closes now, the receiving side when the client does, or after LINGER."""
        self._refusal = error
        self.phase = Phase.REFUSED
        self.since = self.peers.now
        self.flow.held = False
        self.flow.resume_reading()
        if not self.transport.is_closing():
            self.transport.write(
                refusals.refusal(error, self.url, self.headers, self.server_state.default_headers)
            )
            self.transport.write_eof()

    def _lose_all(self) -> None:
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


_BODY = frozenset({b"content-length", b"transfer-encoding"})
