"""`/ready` and `/health`: what the gateway says of itself and of what stands behind it."""

import asyncio
import json
import time

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from shared.embedded import EmbeddedValkey
from shared.testing import LiveApp

READY = b'{"status":"ready","checks":{}}'
NOT_READY = {
    "code": "not_ready",
    "checks": {"database": {"ok": False, "reason": "10.0.0.7 refused"}, "keys": {"ok": True}},
}


@pytest_asyncio.fixture
async def door(make_door) -> LiveApp:
    """Of each test's own: what an upstream answered is remembered for a second."""
    live: LiveApp = await make_door()
    return live


@pytest.fixture
def all_ready(upstreams, answer):
    for upstream in (upstreams.users, upstreams.items, upstreams.predict):
        upstream.answer = answer(READY)
    return upstreams


async def test_with_all_upstreams_ready_it_is_ready_and_names_each(door: LiveApp, all_ready) -> None:
    response = await door.client.get("/ready")
    assert response.status_code == 200
    checks = response.json()["checks"]
    assert set(checks) == {"revocations", "keys", "users", "items", "ml-predict"}
    assert all(check["ok"] for check in checks.values())
    assert [request.line for request in all_ready.items.requests] == [b"GET /ready HTTP/1.1"]


async def test_an_upstream_that_is_not_ready_is_named_and_the_gateway_stays_in_service(
    door: LiveApp, all_ready, answer
) -> None:
    all_ready.items.answer = answer(json.dumps(NOT_READY).encode(), b"HTTP/1.1 503 X\r\n")
    response = await door.client.get("/ready")
    assert response.status_code == 200
    checks = response.json()["checks"]
    assert not checks["items"]["required"]
    assert checks["items"]["reason"] == "not ready"
    assert checks["items"]["info"] == ["database"]
    assert [name for name, check in checks.items() if not check["ok"]] == ["items"]
    assert "10.0.0.7" not in response.text


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"null", b"{}", b'{"checks":[]}', b'{"checks":{"a":1}}', b'{"checks":{"a":{}}}'],
)
async def test_an_upstream_that_says_so_badly_is_just_not_ready(
    door: LiveApp, all_ready, answer, body: bytes
) -> None:
    all_ready.items.answer = answer(body, b"HTTP/1.1 503 X\r\n")
    check = (await door.client.get("/ready")).json()["checks"]["items"]
    assert (check["ok"], check["reason"], check.get("info")) == (False, "not ready", [])


async def test_an_upstream_that_cannot_be_reached_is_named_without_its_address(
    make_door, all_ready, unused_tcp_port: int
) -> None:
    door = await make_door(items_url=f"http://127.0.0.1:{unused_tcp_port}")
    response = await door.client.get("/ready")
    assert response.status_code == 200
    assert response.json()["checks"]["items"]["reason"] == "cannot be reached"
    assert response.json()["checks"]["users"]["ok"]
    assert str(unused_tcp_port) not in response.text
    assert (await door.client.get("/health")).status_code == 200


async def test_an_upstream_that_hangs_is_named_within_its_patience(door: LiveApp, all_ready) -> None:
    async def script(peer) -> None:
        await peer.until_closed()

    all_ready.items.script = script
    response = await door.client.get("/ready")
    check = response.json()["checks"]["items"]
    assert (check["ok"], check["reason"]) == (False, "does not answer")
    assert (await door.client.get("/health")).json()["status"] == "alive"


async def test_an_upstream_that_drips_is_not_waited_for(door: LiveApp, all_ready) -> None:
    async def script(peer) -> None:
        await peer.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            await peer.send(b"x: y\r\n")
            await asyncio.sleep(0.2)

    all_ready.items.script = script
    check = (await door.client.get("/ready")).json()["checks"]["items"]
    assert (check["ok"], check["reason"]) == (False, "no answer within 1.75 s")


async def test_an_upstream_is_asked_once_a_second_however_often_the_gateway_is(
    door: LiveApp, all_ready
) -> None:
    started = time.monotonic()
    answers = await asyncio.gather(*(door.client.get("/ready") for _ in range(100)))
    elapsed = time.monotonic() - started
    assert {answer.status_code for answer in answers} == {200}
    assert len(all_ready.items.requests) <= 1 + elapsed


async def test_garbage_from_an_upstream_is_no_readiness(door: LiveApp, all_ready) -> None:
    all_ready.items.answer = b"garbage\r\n\r\n"
    check = (await door.client.get("/ready")).json()["checks"]["items"]
    assert (check["ok"], check["reason"]) == (False, "cannot be reached")


async def test_keys_that_cannot_be_fetched_make_it_not_ready(
    make_door, all_ready, unused_tcp_port: int
) -> None:
    door = await make_door(jwks_url=f"http://127.0.0.1:{unused_tcp_port}/jwks.json")
    response = await door.client.get("/ready")
    assert (response.status_code, response.json()["code"]) == (503, "not_ready")
    checks = response.json()["checks"]
    assert [name for name, check in checks.items() if not check["ok"]] == ["keys"]
    assert checks["keys"]["reason"] == "KeysUnavailable"


async def test_it_starts_without_redis_and_judges_nobody_until_it_knows_who_has_left(
    make_door, all_ready, identity, tmp_path, eventually, complete_list
) -> None:
    """What is public goes on. A token could be one of an ended session, so it is 503 and not let in."""
    server = EmbeddedValkey(tmp_path / "data", "secret", tmp_path / "log")
    door = await make_door(redis_url=server.url, redis_password="secret")
    response = await door.client.get("/ready")
    assert response.status_code == 503
    assert response.headers["content-type"] == "application/problem+json"
    failed = [name for name, check in response.json()["checks"].items() if not check["ok"]]
    assert failed == ["revocations"]
    assert (await door.client.get("/items")).status_code == 200
    refused = await door.client.get("/mine", headers=identity.headers())
    assert (refused.status_code, refused.json()["code"]) == (503, "revocations_unknown")
    assert refused.headers["retry-after"]
    server.start()
    try:
        client = Redis.from_url(server.url, password="secret")
        await client.zadd("identity:ended", {"ended-meanwhile": 9e9})
        await client.aclose()
        complete_list(server)

        async def ready() -> bool:
            return (await door.client.get("/ready")).status_code == 200

        await eventually(ready)
        ended = identity.headers(sid="ended-meanwhile")
        assert (await door.client.get("/mine", headers=ended)).status_code == 401
        assert (await door.client.get("/mine", headers=identity.headers())).status_code == 200
    finally:
        server.stop()


async def test_health_asks_nobody(door: LiveApp, items, users) -> None:
    response = await door.client.get("/health")
    assert response.json() == {"status": "alive", "service": "gateway", "version": "0.1.0"}
    assert items.requests == users.requests == []
