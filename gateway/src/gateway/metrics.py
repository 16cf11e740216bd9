"""What the gateway counts beyond what every service does: by route, by upstream, and WebSockets."""

from collections.abc import Mapping
from typing import Protocol

from prometheus_client import Counter, Gauge, Histogram

from gateway.route_table import Route
from gateway.wire.pool import PoolStats
from shared.gathering import GATHERING
from shared.metrics import BUCKETS, Counts, Durations

IN_FLIGHT = Gauge(
    "gateway_requests_in_flight",
    "Requests being worked on, by route.",
    ["route"],
    multiprocess_mode="livesum",
)
BYTES = Counter(
    "gateway_body_bytes_total", "Bytes of bodies: sent to clients, and received from them.", ["route", "to"]
)
UPSTREAM_DURATION = Histogram(
    "gateway_upstream_duration_seconds",
    "Seconds until an upstream's answer began.",
    ["upstream"],
    buckets=BUCKETS,
)
FAILURES = Counter(
    "gateway_upstream_failures_total",
    "Exchanges with an upstream that failed, those repeated with success included.",
    ["upstream", "reason"],
)
CONNECTIONS = Gauge(
    "gateway_upstream_connections",
    "Connections to an upstream's replicas, by what they do.",
    ["upstream", "state"],
    multiprocess_mode="livesum",
)
WAITING = Gauge(
    "gateway_upstream_waiting",
    "Requests that wait for a connection to an upstream.",
    ["upstream"],
    multiprocess_mode="livesum",
)
WEBSOCKETS = Gauge("gateway_websockets_open", "Open WebSockets.", multiprocess_mode="livesum")
WEBSOCKETS_CLOSED = Counter(
    "gateway_websockets_closed_total", "WebSockets that have ended, by what ended them.", ["route", "reason"]
)
WEBSOCKET_BYTES = Counter(
    "gateway_websocket_bytes_total",
    "Bytes that ended WebSockets have passed on, by where they went.",
    ["route", "to"],
)


class Traffic:
    """What a worker has passed on for one route and was not written yet; `in_flight` is as of now."""

    __slots__ = ("_add", "_upstream", "in_flight", "received", "route", "sent")

    def __init__(self, route: str, upstream: str) -> None:
        self.route = route
        self._upstream = (upstream,)
        self._add = UPSTREAM_DURATIONS.add
        self.in_flight = self.received = self.sent = 0

    def end(self, received: int, sent: int, upstream_took: float) -> None:
        """`upstream_took` is in seconds, 0 where the upstream did not answer."""
        self.in_flight -= 1
        self.received += received
        self.sent += sent
        if upstream_took:
            self._add(upstream_took, self._upstream)


class TrafficMetrics:
    """Traffic by route and upstream, gathered. `RequestMetrics` has rate, outcome and duration of routes."""

    def __init__(self) -> None:
        self._traffic: dict[tuple[str, str], Traffic] = {}
        GATHERING.register(self._flush)

    def begin(self, route: Route) -> Traffic:
        traffic = self._traffic.get(route.labels)
        if traffic is None:
            traffic = self._traffic[route.labels] = Traffic(*route.labels)
        traffic.in_flight += 1
        return traffic

    def _flush(self) -> None:
        for (route, _), traffic in self._traffic.items():
            IN_FLIGHT.labels(route).set(traffic.in_flight)
            if traffic.received or traffic.sent:
                BYTES.labels(route, "upstream").inc(traffic.received)
                BYTES.labels(route, "client").inc(traffic.sent)
                traffic.received = traffic.sent = 0


class Pools(Protocol):
    @property
    def stats(self) -> PoolStats: ...


def note_pools(upstreams: Mapping[str, Pools]) -> None:
    """An upstream's connections as they are now."""
    for name, upstream in upstreams.items():
        stats = upstream.stats
        CONNECTIONS.labels(name, "idle").set(stats.idle)
        CONNECTIONS.labels(name, "in_flight").set(stats.in_flight)
        WAITING.labels(name).set(stats.waiting)


class WebSocketMetrics:
    """Counted where a WebSocket begins and where it ends."""

    def __init__(self) -> None:
        self.open = 0
        self._closed = Counts(WEBSOCKETS_CLOSED)
        self._bytes = Counts(WEBSOCKET_BYTES)

    def begin(self) -> None:
        self.open += 1
        WEBSOCKETS.set(self.open)

    def end(self, route: str, reason: str, *, to_client: int, to_upstream: int) -> None:
        self.open -= 1
        WEBSOCKETS.set(self.open)
        self._closed.add(1, route, reason)
        self._bytes.add(to_client, route, "client")
        self._bytes.add(to_upstream, route, "upstream")
        GATHERING.touch()


UPSTREAM_DURATIONS = Durations(UPSTREAM_DURATION)
TRAFFIC_METRICS = TrafficMetrics()
WEBSOCKET_METRICS = WebSocketMetrics()
