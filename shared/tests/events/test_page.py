"""What a relay or a consumer answers on its metrics port, without FastAPI."""

from collections.abc import Callable

import httpx2
import pytest
from prometheus_client import Counter

from shared.events.page import page
from shared.health import Check
from shared.settings import ServiceSettings


async def works() -> int:
    return 3


async def is_broken() -> None:
    raise RuntimeError("an address")


@pytest.fixture
def ask(sample_settings: Callable[..., ServiceSettings]) -> Callable[..., httpx2.AsyncClient]:
    def asked(*checks: Check) -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(page(sample_settings(), list(checks)))
        return httpx2.AsyncClient(base_url="http://page", transport=transport)

    return asked


async def test_it_is_alive_and_says_what_it_is(ask: Callable[..., httpx2.AsyncClient]) -> None:
    async with ask() as client:
        answer = await client.get("/health")
    assert answer.headers["content-type"] == "application/json"
    assert (answer.json()["status"], answer.json()["service"]) == ("alive", "sample")


async def test_it_is_ready_when_its_checks_pass(ask: Callable[..., httpx2.AsyncClient]) -> None:
    async with ask(Check("stream", works)) as client:
        answer = await client.get("/ready")
    shown = answer.json()["checks"]["stream"]
    assert (answer.status_code, shown["ok"], shown["info"]) == (200, True, 3)
    assert "reason" not in shown


async def test_what_is_wrong_is_a_problem_without_a_secret(
    ask: Callable[..., httpx2.AsyncClient],
) -> None:
    async with ask(Check("stream", is_broken)) as client:
        answer = await client.get("/ready")
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert answer.json()["checks"]["stream"]["reason"] == "RuntimeError"


@pytest.mark.parametrize(("method", "path", "code"), [("GET", "/nothing", 404), ("POST", "/ready", 405)])
async def test_what_it_does_not_have_is_a_problem_too(
    ask: Callable[..., httpx2.AsyncClient], method: str, path: str, code: int
) -> None:
    async with ask() as client:
        answer = await client.request(method, path)
    assert (answer.status_code, answer.json()["status"]) == (code, code)


async def test_its_metrics_are_shown(ask: Callable[..., httpx2.AsyncClient]) -> None:
    Counter("pages_of_tests", "Counted once.").inc()
    async with ask() as client:
        answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "pages_of_tests_total 1.0" in answer.text
