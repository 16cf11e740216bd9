"""What the limits of the wire did, for Prometheus."""

from prometheus_client import Counter, Gauge

REFUSED = Counter("http_wire_refusals_total", "Requests refused before the application saw them.", ["code"])
CLOSED = Counter("http_wire_closed_total", "Connections closed by a deadline, without an answer.", ["reason"])
CONNECTIONS = Gauge("http_connections", "Open client connections.", multiprocess_mode="livesum")
