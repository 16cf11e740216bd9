"""What the gateway counts by route and by upstream."""

import asyncio

import pytest
from prometheus_client import REGISTRY

from gateway.metrics import BYTES
from shared.gathering import GATHERING

ITEMS = {"upstream": "items"}


def read(name: str, **labels: str) -> float:
    GATHERING.flush()
    return REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.fixture
def grown():
    """`grown(name, **labels)`: by how much since the test asked for it first."""
    before: dict[str, float] = {}

    def of(name: str, **labels: str) -> float:
        now = read(name, **labels)
        return now - before.setdefault(f"{name}{labels}", now)

    return of


async def test_bodies_are_counted_by_route_in_both_directions(door, items, answer, grown) -> None:
    items.answer = answer(b"four")
    for to in ("client", "upstream"):
        grown("gateway_body_bytes_total", route="/items", to=to)
    await door.client.post("/items", content=b"sevenxx")
    await door.client.get("/items/1?a=b")
    assert grown("gateway_body_bytes_total", route="/items", to="client") == 8
    assert grown("gateway_body_bytes_total", route="/items", to="upstream") == 7


async def test_what_an_upstream_takes_is_counted_only_if_it_answered(door, items, answer, grown) -> None:
    async def answer_once(peer) -> None:
        await peer.request()
        await peer.send(answer(b"once"))
        await peer.request()

    items.script = answer_once
    name = "gateway_upstream_duration_seconds_count"
    reason = {"upstream": "items", "reason": "upstream_broken"}
    grown(name, **ITEMS)
    grown("gateway_upstream_failures_total", **reason)
    await door.client.get("/items")
    assert grown(name, **ITEMS) == 1
    assert (await door.client.post("/items")).status_code == 502
    assert grown("gateway_upstream_failures_total", **reason) == 1
    assert grown(name, **ITEMS) == 1


async def test_a_request_and_its_connection_are_seen_while_they_are_under_way(
    make_door, items, answer, eventually
) -> None:
    door = await make_door(upstream_connections=1)
    may_answer = items.hold(answer(b"late"))
    asked = [asyncio.create_task(door.client.get("/items/7")) for _ in range(2)]
    await eventually(lambda: read("gateway_upstream_waiting", **ITEMS), 1)
    assert read("gateway_requests_in_flight", route="/items") == 2
    assert read("gateway_upstream_connections", upstream="items", state="in_flight") == 1
    assert read("gateway_upstream_connections", upstream="items", state="idle") == 0
    may_answer.set()
    assert [(await one).text for one in asked] == ["late", "late"]
    assert read("gateway_requests_in_flight", route="/items") == 0
    assert read("gateway_upstream_connections", upstream="items", state="in_flight") == 0
    assert read("gateway_upstream_connections", upstream="items", state="idle") == 1


def routes() -> set[str]:
    """What has a time series, from earlier tests too."""
    GATHERING.flush()
    return {sample.labels["route"] for metric in BYTES.collect() for sample in metric.samples}


async def test_labels_are_few(door, items) -> None:
    """A client cannot make new time series: not by a path, a query or a method."""
    before = routes()
    for number in range(3):
        await door.client.get(f"/items/{number}?q={number}")
    new = routes() - before
    assert len(new) <= 1
    assert not any(str(number) in route for route in new for number in range(3))
