"""The assembled application."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.middleware import Middleware

from shared.testing import served


class Adds:
    """Notes the status that it sees."""

    def __init__(self, app: Any, name: bytes) -> None:
        self._app, self._name = app, name

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_noted(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (self._name, b"%d" % message["status"])]
            await send(message)

        await self._app(scope, receive, send_noted)


@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
async def test_docs_are_off_in_production(
    make_app: Callable[..., Any], sample_settings: Callable[..., Any], path: str
) -> None:
    async with served(make_app()) as live:
        assert (await live.client.get(path)).status_code == 200
    async with served(make_app(settings=sample_settings(environment="production"))) as live:
        assert (await live.client.get(path)).status_code == 404


async def test_outer_middleware_sees_what_errors_became(make_app: Callable[..., Any]) -> None:
    app = make_app(outer=[Middleware(Adds, name=b"x-outer")], inner=[Middleware(Adds, name=b"x-inner")])
    async with served(app) as live:
        answer = await live.client.post("/health", content=b"x" * 2_000_000)
    assert (answer.status_code, answer.headers["x-outer"]) == (413, "413")


async def test_nothing_names_the_server_software(make_app: Callable[..., Any]) -> None:
    async with served(make_app()) as live:
        assert "server" not in (await live.client.get("/health")).headers
