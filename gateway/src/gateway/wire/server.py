"""The client's side: requests that the data plane serves are answered without ASGI, the rest as ever."""

from typing import Any

from gateway.wire.stream import ServerStream
from gateway.wire.tunnel import Tunnel
from shared.wire import Cycle, Protocol
from shared.wire.deadlines import ANSWER, IDLE

HALF_CLOSED = 2.0  # seconds in which a client that only reads any more gets its answer


class ClientConnection(Protocol):
    """One client connection. `plane` in the lifespan's state says which requests are its own.

    A plane has `open` and `open_known`, which give a `ServerStream` or None, `heads`, `private_port` and
    `proxies`. `client`, `scheme` and `forwarded`, what upstreams are told of both, are those of the request
    that came last, where a trusted proxy sent it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._plane = self.app_state.get("plane")
        self._proxy: str | None = None  # the peer's address, if it is a trusted proxy
        self._own_scheme = "http"
        self._whole: bytes | None = None  # what is being parsed, if that began with a new request
        self.forwarded: list[bytes] = []
        self._half_closed_at: float | None = None
        self.upgrading: Any = None  # the exchange that asks for a WebSocket: no more requests are read
        self.tunnel: Tunnel | None = None  # and the WebSocket that came of it
        self.parsing = False  # what has come: `flush` follows

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if self._plane is None:
            return
        if self.server is not None and self.server[1] == self._plane.private_port:
            self._plane = None
        elif self.client is not None and self._plane.proxies.trusts(self.client[0]):
            self._proxy, self._own_scheme = self.client[0], self.scheme or "http"
        self._note_origin()

    def make_cycle(self) -> Cycle:
        if self._plane is not None:
            if self._proxy is not None:
                self._note_proxied(self._plane)
            stream: ServerStream | None = self._plane.open(self, self._whole)
            if stream is not None:
                if stream.request.upgrade:
                    self.upgrading = stream
                return stream
        return super().make_cycle()

    def _answer_known(self, plane: Any, data: bytes) -> bool:
        """Begins the request that `data` is, if its fields came before; False leaves it to the parser."""
        recognised = plane.heads.recognise(data)
        if recognised is None:
            return False
        line, known, body = recognised
        length = None if body is None else len(body)
        if len(data) - (length or 0) > self.limits.head_limit:
            return False
        self.url, self.headers, self.expect_100_continue = line.target, known.headers, False
        if self._proxy is not None:
            self._note_proxied(plane)
        stream: ServerStream | None = plane.open_known(self, line, known, length)
        if stream is None:
            return False
        self.cycle = self.current = stream
        self.phase = ANSWER
        if body:
            stream.feed(body)
        stream.start()
        return True

    def _note_proxied(self, plane: Any) -> None:
        self.client = (plane.proxies.client(self._proxy, self.headers), 0)
        self.scheme = plane.proxies.scheme(self._own_scheme, self.headers)
        self._note_origin()

    def _note_origin(self) -> None:
        self.forwarded = [b"x-forwarded-proto: " + str(self.scheme).encode()]
        if self.client is not None:
            self.forwarded.append(b"x-forwarded-for: " + self.client[0].encode())

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn's always closes
        """A client that sent whole requests may have closed its sending side alone, as `nc -N` does.

        It cannot be told from one that is gone, so its work ends unless the answer is there soon.
        """
        if self.current is None or self.phase is not ANSWER or self.upgrading is not None:
            return False
        self._half_closed_at = self.peers.now
        if self.cycle is not None:
            self.cycle.keep_alive = False
        return True

    def after_upgrade(self, data: bytes) -> None:
        if data and self.upgrading is not None:
            self.upgrading.client_received(data)

    def check_deadlines(self) -> None:
        super().check_deadlines()
        since = self._half_closed_at
        if since is not None and self.peers.now - since > HALF_CLOSED and not self._has_unsent():
            self.transport.abort()
        if self.tunnel is not None:
            self.tunnel.check(self.peers.now)
        elif isinstance(self.current, ServerStream):
            self.current.check(self.peers.now)

    def _has_unsent(self) -> bool:
        return bool(self.transport.get_write_buffer_size())

    def shutdown(self) -> None:
        super().shutdown()
        if self.tunnel is not None:
            self.tunnel.close("drain")
        elif isinstance(self.current, ServerStream):
            self.current.drain()

    def data_received(self, data: bytes) -> None:
        if self.upgrading is not None:
            (self.tunnel or self.upgrading).client_received(data)
            return
        if self.phase <= IDLE and self.current is None and self._plane is not None and not self._excess:
            if self._answer_known(self._plane, data):
                return
            self._whole = data  # it may turn out to be one whole request
        self.parsing = True
        try:
            super().data_received(data)
        finally:
            self.parsing = False
            self._whole = None
        if isinstance(self.current, ServerStream) and self.current.has_body:
            self.current.flush()  # once for all that came: a small body leaves together with its head

    def pause_writing(self) -> None:
        super().pause_writing()
        if isinstance(self.current, ServerStream):
            self.current.pause_writing()

    def resume_writing(self) -> None:
        super().resume_writing()
        if isinstance(self.current, ServerStream):
            self.current.resume_writing()
