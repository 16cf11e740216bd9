"""A WebSocket that the upstream has agreed to: bytes both ways, from one transport to the other."""

import asyncio
import math
from collections.abc import Callable
from typing import Any, NamedTuple

from gateway.wire.frames import GOING_AWAY, POLICY_VIOLATION, FrameEnds, close_frame
from shared.wire.deadlines import LINGER


class TunnelLimits(NamedTuple):
    """Seconds without a byte in either direction, and seconds in all."""

    idle: float
    lifetime: float


class Tunnel(asyncio.Protocol):
    """The protocol of the upstream's transport after the switch; the client's connection calls it too.

    Frames pass as they are. Where the gateway itself ends the tunnel, both sides get a Close frame, which
    tells a client to come again (1001) or not to (1008); a side that is in the middle of a frame is only
    closed, because anything inserted there would be read as its payload. `client` is a `ClientConnection`.
    `ended` is called once, with the reason; `allowed` is asked about once a second.
    """

    def __init__(
        self,
        client: Any,
        limits: TunnelLimits,
        *,
        allowed: Callable[[], bool],
        ended: Callable[[str], None],
    ) -> None:
        self.to_client = self.to_upstream = 0  # bytes
        self._client = client
        self._limits = limits
        self._allowed = allowed
        self._ended: Callable[[str], None] | None = ended
        self._from_client, self._from_upstream = FrameEnds(), FrameEnds()
        self._upstream: asyncio.Transport
        self._began_at = self._heard_at = client.loop.time()
        self._cut_at = math.inf  # in the loop's time; counts once the gateway itself has closed both sides

    def open(self, upstream: asyncio.Transport, data: bytes) -> None:
        """Takes the upstream's transport over, and what it has said since it agreed."""
        self._upstream = upstream
        upstream.set_protocol(self)
        if self._client.flow.write_paused:
            self.pause()
        if data:
            self.data_received(data)

    # What the upstream's transport calls.

    def data_received(self, data: bytes) -> None:
        if self._ended is None:
            return
        self._heard_at = self._client.peers.now
        self._from_upstream.feed(data)
        self.to_client += len(data)
        self._client.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end("upstream_closed" if exc is None else "upstream_lost")
        self._client.transport.close()

    def pause_writing(self) -> None:
        self._client.flow.pause_reading()

    def resume_writing(self) -> None:
        self._client.flow.resume_reading()

    # What the client's connection calls.

    def client_received(self, data: bytes) -> None:
        if self._ended is None:
            return
        self._heard_at = self._client.peers.now
        self._from_client.feed(data)
        self.to_upstream += len(data)
        self._upstream.write(data)

    def flush(self) -> None:
        """Nothing waits here: what the client sends goes on at once."""

    def pause(self) -> None:
        self._upstream.pause_reading()

    def resume(self) -> None:
        self._upstream.resume_reading()

    def cancel(self) -> None:
        """The client is gone. What it sent before still reaches the upstream."""
        self._end("client_closed")
        self._upstream.close()

    def check(self, now: float) -> None:
        """Called about once a second."""
        if self._ended is None:
            if now > self._cut_at:
                self._client.transport.abort()
                self._upstream.abort()
        elif self._client.peers.draining:
            self.close("drain")
        elif now - self._began_at > self._limits.lifetime:
            self.close("lifetime")
        elif now - self._heard_at > self._limits.idle:
            self.close("idle")
        elif not self._allowed():
            self.close("not_allowed", POLICY_VIOLATION)

    def close(self, reason: str, code: int = GOING_AWAY) -> None:
        """Ends both sides; whoever has not closed after LINGER seconds is cut off."""
        if self._ended is None:
            return
        self._cut_at = self._client.loop.time() + LINGER
        self._end(reason)
        self._client.flow.resume_reading()  # or its end would go unnoticed
        _say_goodbye(self._client.transport, self._from_upstream, close_frame(code, masked=False))
        _say_goodbye(self._upstream, self._from_client, close_frame(code, masked=True))

    def _end(self, reason: str) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(reason)


def _say_goodbye(transport: asyncio.Transport, sent: FrameEnds, frame: bytes) -> None:
    """The sending side ends first: a transport that is closed at once resets what the peer still sends."""
    if transport.is_closing():
        return
    transport.resume_reading()
    if sent.may_close:
        transport.write(frame)
    if transport.can_write_eof():
        transport.write_eof()
    else:
        transport.close()
