"""Metrics name routes and never paths, and are reachable through the private port only."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import APIRouter
from prometheus_client import REGISTRY, CollectorRegistry, Histogram

from shared.gathering import GATHERING
from shared.metrics import BUCKETS, REQUEST_METRICS, Durations
from shared.middleware.metrics import ROUTE_KEY, MetricsMiddleware, route_template
from shared.testing import served

inner = APIRouter(prefix="/boxes")
router = APIRouter(prefix="/rings")
Talk = Callable[..., Any]


@inner.get("/{box_id}/stones/{stone_id}")
async def read_stone(box_id: int, stone_id: int) -> int:
    return box_id + stone_id


@router.get("/{ring_id}")
async def read_ring(ring_id: int) -> int:
    return ring_id


@router.get("/broken/{ring_id}")
async def break_ring(ring_id: int) -> int:
    raise LookupError(ring_id)


router.include_router(inner)


def counted(method: str, route: str, status: int | str) -> float:
    labels = {"method": method, "route": route, "status": str(status)}
    return REGISTRY.get_sample_value("http_requests_total", labels) or 0.0


@pytest.mark.parametrize(
    ("method", "path", "labels"),
    [
        ("GET", "/rings/52", ("GET", "/rings/{ring_id}", 200)),
        ("GET", "/rings/x", ("GET", "/rings/{ring_id}", 422)),
        ("GET", "/rings/broken/5", ("GET", "/rings/broken/{ring_id}", 500)),
        ("GET", "/rings/boxes/1/stones/2", ("GET", "/rings/boxes/{box_id}/stones/{stone_id}", 200)),
        ("GET", "/health", ("GET", "/health", 200)),
        ("GET", "/no/such/path/4711", ("GET", "unmatched", 404)),
        ("POST", "/also/none", ("POST", "unmatched", 404)),
        ("PROPFIND", "/none", ("other", "unmatched", 404)),
    ],
)
async def test_a_request_counts_under_its_route(
    make_app: Callable[..., Any], method: str, path: str, labels: tuple[str, str, int]
) -> None:
    before = counted(*labels)
    async with served(make_app(router)) as live:
        await live.client.request(method, path)
    assert counted(*labels) == before + 1


async def test_time_is_measured_for_each_route(make_app: Callable[..., Any]) -> None:
    labels = {"method": "GET", "route": "/rings/{ring_id}"}
    name = "http_request_duration_seconds_count"
    before = REGISTRY.get_sample_value(name, labels) or 0.0
    async with served(make_app(router)) as live:
        await live.client.get("/rings/1")
        await live.client.get("/rings/2")
    assert REGISTRY.get_sample_value(name, labels) == before + 2


async def test_nothing_is_in_flight_afterwards(make_app: Callable[..., Any]) -> None:
    async with served(make_app(router)) as live:
        await live.client.get("/rings/broken/5")
        assert REGISTRY.get_sample_value("http_requests_in_flight") == 0


@pytest.mark.parametrize("host", ["x", "127.0.0.1:9100", "localhost:9100", "metrics"])
async def test_the_public_port_has_no_metrics_whatever_host_is_claimed(
    make_app: Callable[..., Any], sample_settings: Callable[..., Any], talk: Talk, host: str
) -> None:
    async with served(make_app(settings=sample_settings(metrics_port=9100))) as live:
        answer = await talk(
            live.port,
            f"GET /metrics HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-Port: 9100\r\n"
            "Connection: close\r\n\r\n".encode(),
        )
        absolute = await talk(
            live.port,
            b"GET http://127.0.0.1:9100/metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        )
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert absolute.startswith(b"HTTP/1.1 404 ")
    assert b"http_requests_total" not in answer + absolute


async def test_the_private_port_has_metrics_and_nothing_else() -> None:
    """`served` listens on a port that is free, so the middleware is told of it afterwards."""

    async def never(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        raise AssertionError(scope["path"])

    app = MetricsMiddleware(never, private_port=1)
    async with served(app) as live:
        app._private_port = live.port
        metrics = await live.client.get("/metrics")
        other = await live.client.get("/health")
    assert metrics.status_code == 200
    assert metrics.headers["content-type"].startswith("text/plain")
    assert "# TYPE http_requests_total counter" in metrics.text
    assert other.status_code == 404


async def test_a_request_without_a_known_listener_is_served() -> None:
    """ASGI allows `server` to be None."""
    answered: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        answered.append(scope["path"])

    scope = {"type": "http", "method": "GET", "path": "/x", "server": None}
    before = counted("GET", "unmatched", "aborted")
    await MetricsMiddleware(app, private_port=9100)(scope, None, None)  # type: ignore[arg-type]  # neither is used
    assert answered == ["/x"]
    assert counted("GET", "unmatched", "aborted") == before + 1


def test_a_plain_application_names_its_route() -> None:
    assert route_template({ROUTE_KEY: "items"}) == "items"
    assert route_template({}) == "unmatched"


async def test_gathered_observations_are_those_that_were_made() -> None:
    """prometheus_client has no call for many observations, so its buckets are filled directly."""
    one = Histogram("one_seconds", "", ["route"], buckets=BUCKETS, registry=CollectorRegistry())
    other = Histogram("other_seconds", "", ["route"], buckets=BUCKETS, registry=CollectorRegistry())
    gathered = Durations(other)
    for seconds in (0.0, 0.001, 0.0011, 0.7, 29.9, 30.0, 31.0, 31.0):
        one.labels("/a").observe(seconds)
        gathered.observe(seconds, "/a")
    gathered.flush()

    def values(histogram: Histogram) -> list[tuple[str, float]]:
        (metric,) = histogram.collect()
        return [
            (str(sample.labels), pytest.approx(sample.value))
            for sample in metric.samples
            if not sample.name.endswith("_created")
        ]

    assert values(one) == values(other)


async def test_what_is_gathered_is_counted_when_the_worker_ends() -> None:
    before = counted("GET", "/gathered", 200)
    with GATHERING.on(asyncio.get_running_loop()):
        for _ in range(3):
            REQUEST_METRICS.begin()
            REQUEST_METRICS.end("GET", "/gathered", 200, 0.1)
        assert counted("GET", "/gathered", 200) == before
    assert counted("GET", "/gathered", 200) == before + 3
    assert REGISTRY.get_sample_value("http_requests_in_flight") == 0
