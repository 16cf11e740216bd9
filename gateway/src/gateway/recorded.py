"""A request whose answer says its ids and times, and which is counted and logged when it ends."""

from time import perf_counter
from typing import Any

from gateway.metrics import TRAFFIC_METRICS, Traffic
from gateway.route_table import Route
from gateway.wire.request import Request
from gateway.wire.stream import ServerStream
from gateway.wire.tunnel import Tunnel
from shared.access_log import log_request
from shared.context import RequestContext
from shared.exceptions import MethodNotAllowed, ServiceError
from shared.metrics import REQUEST_METRICS

_IDS_AND_TIMES = b"\r\n".join(
    [
        b"x-request-id: %b",
        b"x-process-time: %.6f",
        b"server-timing: gateway;dur=%.3f, upstream;dur=%.3f",
    ]
)
begin_traffic = TRAFFIC_METRICS.begin
begin_request, end_request = REQUEST_METRICS.begin, REQUEST_METRICS.end


class RecordedStream(ServerStream):
    """`answer_fields` are more header lines of the answer."""

    __slots__ = (
        "answer_fields",
        "began_at",
        "client",
        "context",
        "refusal",
        "route",
        "traffic",
        "tunnel",
        "upstream_took",
    )

    def __init__(self, connection: Any, request: Request) -> None:
        super().__init__(connection, request)
        fields = request.fields
        self.began_at = perf_counter()
        self.context = RequestContext.start(fields.get(b"x-request-id"), fields.get(b"traceparent"))
        self.client: str | None = connection.client[0] if connection.client else None
        self.route: Route | None = None
        self.refusal: ServiceError | None = None  # instead of a route
        self.tunnel: Tunnel | None = None  # once it is a WebSocket
        self.traffic: Traffic | None = None
        self.upstream_took = 0.0  # seconds until the upstream's answer began
        self.answer_fields: list[bytes] = []

    def begin_record(self) -> None:
        if self.route is not None:
            self.traffic = begin_traffic(self.route)
        begin_request()

    def answer(
        self, status: int, fields: list[bytes], length: int | None, body: bytes, *, complete: bool
    ) -> None:
        took = perf_counter() - self.began_at
        upstream, request_id = self.upstream_took, self.context.request_id.encode()
        fields += self.answer_fields
        if upstream:
            fields.append(_IDS_AND_TIMES % (request_id, took, (took - upstream) * 1000, upstream * 1000))
        else:
            fields.append(b"x-request-id: %b\r\nx-process-time: %.6f" % (request_id, took))
        super().answer(status, fields, length, body, complete=complete)

    def record(self) -> None:
        took = perf_counter() - self.began_at
        method = self.method.decode("ascii")
        if self.tunnel is None:
            self.count(method, took)
        log_request(method, self.request.path, self.status, took, self.client, self.context)

    def count(self, method: str, took: float) -> None:
        traffic = self.traffic
        if traffic is not None:
            traffic.end(self.received, self.sent, self.upstream_took)
        end_request(method, self._unrouted if traffic is None else traffic.route, self.status, took)

    @property
    def _unrouted(self) -> str:
        return "method_not_allowed" if isinstance(self.refusal, MethodNotAllowed) else "unmatched"
