"""Counts and times each request, and answers `/metrics` on the private port."""

import os
from collections.abc import Mapping
from time import perf_counter
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry
from prometheus_client import generate_latest as render
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.gathering import GATHERING
from shared.metrics import REQUEST_METRICS

ROUTE_KEY = "facet.route"


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

        REQUEST_METRICS.begin()
        try:
            await self._app(scope, receive, send_and_note)
        finally:
            REQUEST_METRICS.end(scope["method"], route_template(scope), status, perf_counter() - started)


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
    GATHERING.flush()
    return Response(render(_registry()), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _registry() -> CollectorRegistry:
    """Under gunicorn each worker writes files in one folder, and any worker sums them up."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # prometheus_client has types in part
    return registry
