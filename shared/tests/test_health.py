"""Alive is not ready: readiness asks what the service needs, and waits for none of it for long."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from shared.health import Check, CheckFailed, NotReady, readiness
from shared.testing import served


async def answers() -> None:
    return None


async def tells() -> dict[str, str]:
    return {"model": "v7"}


async def fails() -> None:
    raise ConnectionRefusedError("hush: 10.0.0.7:5432 role items")


async def hangs() -> None:
    await asyncio.Event().wait()


async def test_health_needs_nothing(make_app: Callable[..., Any]) -> None:
    async with served(make_app(checks=[Check("database", fails)])) as live:
        answer = await live.client.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "alive")
    assert answer.json()["service"] == "sample"


async def test_ready_shows_each_check(make_app: Callable[..., Any]) -> None:
    async with served(make_app(checks=[Check("database", answers), Check("model", tells)])) as live:
        answer = await live.client.get("/ready")
    assert answer.status_code == 200
    checks = answer.json()["checks"]
    assert checks["database"]["ok"]
    assert checks["model"]["info"] == {"model": "v7"}


async def test_a_service_that_needs_nothing_is_ready(make_app: Callable[..., Any]) -> None:
    async with served(make_app()) as live:
        assert (await live.client.get("/ready")).json() == {"status": "ready", "checks": {}}


async def test_one_failed_check_is_503_and_shows_all(make_app: Callable[..., Any]) -> None:
    checks = [Check("database", fails), Check("cache", answers), Check("keys", hangs, timeout=0.05)]
    async with served(make_app(checks=checks)) as live:
        answer = await live.client.get("/ready")
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    problem = answer.json()
    assert (problem["code"], problem["detail"]) == ("not_ready", "Not ready: database, keys.")
    assert problem["checks"]["database"]["reason"] == "ConnectionRefusedError"
    assert problem["checks"]["cache"]["ok"]
    assert problem["checks"]["keys"]["reason"] == "no answer within 0.05 s"
    assert "hush" not in answer.text


async def test_what_others_need_is_reported_but_does_not_count(make_app: Callable[..., Any]) -> None:
    checks = [Check("database", answers), Check("prices", fails, required=False)]
    async with served(make_app(checks=checks)) as live:
        answer = await live.client.get("/ready")
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")
    shown = answer.json()["checks"]["prices"]
    assert (shown["ok"], shown["required"], shown["reason"]) == (False, False, "ConnectionRefusedError")


async def test_a_failed_check_that_counts_is_named_without_those_that_do_not(
    make_app: Callable[..., Any],
) -> None:
    checks = [Check("database", fails), Check("prices", fails, required=False)]
    async with served(make_app(checks=checks)) as live:
        problem = (await live.client.get("/ready")).json()
    assert problem["detail"] == "Not ready: database."
    assert set(problem["checks"]) == {"database", "prices"}


async def test_a_probe_may_say_why_and_what_it_found(make_app: Callable[..., Any]) -> None:
    async def lags() -> None:
        raise CheckFailed("two of three away", {"away": ["items", "users"]})

    async with served(make_app(checks=[Check("upstreams", lags)])) as live:
        answer = await live.client.get("/ready")
    result = answer.json()["checks"]["upstreams"]
    assert (answer.status_code, result["reason"]) == (503, "two of three away")
    assert result["info"] == {"away": ["items", "users"]}


async def test_checks_run_at_once() -> None:
    """Each waits for the other: one after the other they would never end."""
    met = asyncio.Barrier(2)
    checks = [Check("one", met.wait, timeout=5), Check("other", met.wait, timeout=5)]
    assert all(result.ok for result in (await readiness(checks)).checks.values())


async def test_not_ready_is_an_error_with_the_results() -> None:
    with pytest.raises(NotReady) as error:
        await readiness([Check("database", fails)])
    assert not error.value.extra["checks"]["database"]["ok"]
