"""A sample service over `shared`, its log lines, and a way to speak to it byte by byte."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import structlog
from fastapi import APIRouter, FastAPI
from pydantic_settings import SettingsConfigDict

from shared.app import build_app
from shared.settings import ServiceSettings


class SampleSettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="SAMPLE_")

    service: str = "sample"
    port: int = 0
    log_format: str = "json"


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Each application configures logging for its process; the next test has another stdout."""
    root = logging.getLogger()
    handlers, level, events = root.handlers[:], root.level, structlog.get_config()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**events)


@pytest.fixture
def sample_settings() -> Callable[..., ServiceSettings]:
    return SampleSettings


@pytest.fixture
def make_app() -> Callable[..., FastAPI]:
    """`make_app(router, settings=…, inner=…, database=…)`: what is left over becomes the lifespan's state."""

    def make(
        *routers: APIRouter,
        settings: ServiceSettings | None = None,
        outer: Any = (),
        inner: Any = (),
        **resources: Any,
    ) -> FastAPI:
        @contextlib.asynccontextmanager
        async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
            yield {"checks": [], **resources}

        return build_app(
            settings or SampleSettings(),
            title="Sample",
            lifespan=lifespan,
            routers=routers,
            outer=outer,
            inner=inner,
        )

    return make


@pytest.fixture
def log_lines(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[dict[str, Any]]]:
    """All lines of the log so far, each of which must be one JSON document."""
    seen: list[dict[str, Any]] = []

    def read() -> list[dict[str, Any]]:
        seen.extend(json.loads(line) for line in capsys.readouterr().out.splitlines())
        return seen

    return read


@pytest.fixture
def talk() -> Callable[..., Any]:
    """Send bytes to a port, and read until the other side closes or `until` has come."""

    async def exchange(port: int, sent: bytes, until: bytes | None = None, seconds: float = 10.0) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        received = b""
        try:
            async with asyncio.timeout(seconds):
                writer.write(sent)
                while until is None or until not in received:
                    chunk = await reader.read(65_536)
                    if not chunk:
                        break
                    received += chunk
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        return received

    return exchange
