"""What the gateway counts beyond what every service does."""

from prometheus_client import Counter, Gauge

from shared.gathering import GATHERING
from shared.metrics import Counts

WEBSOCKETS = Gauge("gateway_websockets_open", "Open WebSockets.", multiprocess_mode="livesum")
WEBSOCKETS_CLOSED = Counter(
    "gateway_websockets_closed_total", "WebSockets that have ended, by what ended them.", ["route", "reason"]
)
WEBSOCKET_BYTES = Counter(
    "gateway_websocket_bytes_total",
    "Bytes that ended WebSockets have passed on, by where they went.",
    ["route", "to"],
)


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


WEBSOCKET_METRICS = WebSocketMetrics()
