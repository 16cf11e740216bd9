"""Calls to other services carry the request's ids and take no detour."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse

from shared.context import CURRENT, RequestContext
from shared.http import service_client
from shared.testing import LiveApp, served

router = APIRouter()


@router.get("/headers")
async def show_headers(request: Request) -> dict[str, str]:
    return dict(request.headers)


@router.get("/elsewhere")
async def go_elsewhere() -> RedirectResponse:
    return RedirectResponse("/headers")


@pytest_asyncio.fixture(loop_scope="session")
async def live(make_app: Callable[..., Any]) -> AsyncIterator[LiveApp]:
    async with served(make_app(router)) as live:
        yield live


async def test_the_ids_go_on_to_the_next_service(live: LiveApp) -> None:
    context = RequestContext.start(b"mine")
    token = CURRENT.set(context)
    try:
        async with service_client(live.url, timeout=5) as client:
            headers = (await client.get("/headers")).json()
    finally:
        CURRENT.reset(token)
    assert headers["x-request-id"] == "mine"
    assert headers["traceparent"] == context.traceparent


async def test_outside_a_request_there_are_no_ids(live: LiveApp) -> None:
    async with service_client(live.url, timeout=5) as client:
        headers = (await client.get("/headers")).json()
    assert not {"x-request-id", "traceparent"} & set(headers)


async def test_the_trace_is_one_across_services(live: LiveApp, make_app: Callable[..., Any]) -> None:
    front = APIRouter()

    @front.get("/through")
    async def go_through(request: Request) -> dict[str, str]:
        answer: dict[str, str] = (await request.state.next.get("/headers")).json()
        return answer

    async with (
        service_client(live.url, timeout=5) as client,
        served(make_app(front, next=client)) as first,
    ):
        answer = await first.client.get(
            "/through",
            headers={"X-Request-ID": "mine", "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"},
        )
    assert answer.json()["x-request-id"] == "mine"
    version, trace, span, flags = answer.json()["traceparent"].split("-")
    assert (version, trace, flags) == ("00", "a" * 32, "01")
    assert span != "b" * 16


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
async def test_proxies_of_the_environment_are_ignored(
    live: LiveApp, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    async with service_client(live.url, timeout=5) as client:
        assert (await client.get("/headers")).status_code == 200


async def test_redirects_are_not_followed(live: LiveApp) -> None:
    async with service_client(live.url, timeout=5) as client:
        assert (await client.get("/elsewhere")).status_code == 307


async def test_a_service_that_never_answers_is_given_up() -> None:
    hung_up = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            pass
        writer.close()
        hung_up.set()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        async with service_client(f"http://127.0.0.1:{port}", timeout=0.05) as client:
            with pytest.raises(httpx2.ReadTimeout):
                await client.get("/headers")
        async with asyncio.timeout(10):
            await hung_up.wait()
