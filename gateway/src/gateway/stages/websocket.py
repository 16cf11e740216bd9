"""WebSocket: a handshake that its route allows goes to the upstream; what agrees to it becomes a tunnel."""

import asyncio
from collections.abc import Mapping
from functools import partial

from gateway.exceptions import SpokeEarly, TooManyWebSockets, UpstreamFailed
from gateway.exchange import Exchange
from gateway.headers import response_fields
from gateway.long_lived import LongLived
from gateway.metrics import WEBSOCKET_METRICS
from gateway.route_table import Route
from gateway.stages.forward import ForwardedCall
from gateway.upstreams import Upstream
from gateway.wire.handshake import UPGRADE_FIELDS, accepts, check_handshake
from gateway.wire.reader import SWITCHING_PROTOCOLS, Headers
from gateway.wire.tunnel import Tunnel, TunnelLimits
from shared.wire.deadlines import Phase


class WebSockets:
    """Takes the place of Forward for upgrades. At most `most` are open in a worker."""

    def __init__(
        self, upstreams: Mapping[str, Upstream], long_lived: LongLived, idle: float, most: int
    ) -> None:
        """`idle` is seconds without a byte either way."""
        self._upstreams = upstreams
        self.long_lived = long_lived
        self.limits = TunnelLimits(idle, long_lived.lifetime)
        self._most = most

    def __call__(self, exchange: Exchange) -> None:
        route = exchange.route
        if route is None or not exchange.request.upgrade:
            return
        check_handshake(exchange.request)
        self.check_room()
        upstream = self._upstreams[route.upstream]
        transfer = exchange.transfer = _Upgrade(exchange, route, upstream, self)
        transfer.flush()

    def check_room(self) -> None:
        if WEBSOCKET_METRICS.open >= self._most:
            raise TooManyWebSockets


class _Upgrade(ForwardedCall):
    """The handshake. An upstream that declines is answered for as always."""

    def __init__(self, exchange: Exchange, route: Route, upstream: Upstream, websockets: WebSockets) -> None:
        super().__init__(exchange, route, upstream, websockets.long_lived, UPGRADE_FIELDS)
        self._websockets = websockets

    def switched(self, transport: asyncio.Transport, headers: Headers, data: bytes) -> None:
        exchange, websockets = self._exchange, self._websockets
        self.note_answer(complete=True)
        try:
            if exchange.connection.phase is not Phase.ANSWER:
                raise SpokeEarly  # noqa: TRY301 - it is answered like the others
            if not accepts(exchange.fields[b"sec-websocket-key"], headers):
                raise UpstreamFailed(upstream=self.upstream.name)  # noqa: TRY301 - likewise
            websockets.check_room()
        except (SpokeEarly, UpstreamFailed, TooManyWebSockets) as refusal:
            transport.abort()
            exchange.refuse(refusal)
            return
        tunnel = Tunnel(
            exchange.connection,
            websockets.limits,
            allowed=partial(websockets.long_lived.allowed, exchange),
            ended=self._count,
        )
        WEBSOCKET_METRICS.begin()
        exchange.switch([*response_fields(SWITCHING_PROTOCOLS, headers), *UPGRADE_FIELDS], tunnel)
        tunnel.open(transport, data)

    def _count(self, reason: str) -> None:
        tunnel = self._exchange.tunnel
        if tunnel is not None:
            WEBSOCKET_METRICS.end(
                self._route.template, reason, to_client=tunnel.to_client, to_upstream=tunnel.to_upstream
            )
