"""Prometheus metrics that are right under several workers, and reachable on the private port only."""

import os
from collections.abc import Mapping
from time import perf_counter
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client import generate_latest as render
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
ROUTE_KEY = "facet.route"

REQUESTS = Counter("http_requests_total", "Requests answered.", ["method", "route", "status"])
DURATION = Histogram(
    "http_request_duration_seconds",
    "Seconds from a request's arrival to the end of its answer.",
    ["method", "route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
IN_FLIGHT = Gauge("http_requests_in_flight", "Requests being worked on.", multiprocess_mode="livesum")


class MetricsMiddleware:
    """Counts and times requests, and answers `/metrics` to whoever came in through the private port."""

    def __init__(self, app: ASGIApp, private_port: int) -> None:
        self._app = app
        self._private_port = private_port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._private_port and (scope["server"] or (None, None))[1] == self._private_port:
            # The listener's own port, which a caller cannot choose by a header. Nothing else is served there.
            await _metrics_only(scope["path"])(scope, receive, send)
            return
        started = perf_counter()
        status = 0

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        IN_FLIGHT.inc()
        try:
            await self._app(scope, receive, send_and_note)
        finally:
            IN_FLIGHT.dec()
            count_request(scope["method"], route_template(scope), status, perf_counter() - started)


def count_request(method: str, route: str, status: int, seconds: float) -> None:
    """`route` is a template, because labels must be few; `status` is 0 where no answer began."""
    method = method if method in METHODS else "other"
    REQUESTS.labels(method, route, str(status) if status else "aborted").inc()
    DURATION.labels(method, route).observe(seconds)


def route_template(scope: Mapping[str, Any]) -> str:
    """`/items/{item_id}`, never the path itself: labels must be few.

    A pure ASGI application names its route under `ROUTE_KEY`. FastAPI keeps the whole template of an
    included router in a private place, and `scope["route"].path` without the prefix.
    """
    if ROUTE_KEY in scope:
        return str(scope[ROUTE_KEY])
    included = scope.get("fastapi", {}).get("effective_route_context")
    route = included or scope.get("route")
    return str(getattr(route, "path", "unmatched"))


def _metrics_only(path: str) -> Response:
    if path != "/metrics":
        return Response("only /metrics is served here\n", 404, media_type="text/plain")
    return Response(render(_registry()), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _registry() -> CollectorRegistry:
    """Under gunicorn each worker writes files in one folder, and any worker sums them up."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # prometheus_client has types in part
    return registry
