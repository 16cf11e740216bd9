"""A service for the tests of `shared.serve`: run by gunicorn in a process of its own."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from pydantic_settings import SettingsConfigDict

from shared.app import build_app
from shared.settings import DatabaseSettings, ServiceSettings


class SampleSettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="SAMPLE_")

    service: str = "sample"
    port: int = 0
    folder: Path
    greeting: str = "hello"
    start_fails: bool = False


class WithDatabase(SampleSettings, DatabaseSettings):
    pass


def create_app(settings: SampleSettings) -> FastAPI:
    router = APIRouter()

    @router.get("/greeting")
    async def greet() -> str:
        return settings.greeting

    @router.get("/pid")
    async def tell_pid() -> int:
        return os.getpid()

    @router.get("/slow")
    async def wait_for_release() -> str:
        """Until the file `release` is there: the test decides when."""
        (settings.folder / f"waiting-{os.getpid()}").touch()
        while not (settings.folder / "release").exists():  # noqa: ASYNC110 - the other process has no event
            await asyncio.sleep(0.01)
        return "done"

    @router.get("/crash")
    async def crash() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    @router.get("/broken")
    async def break_down() -> None:
        raise LookupError("hush")

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        if settings.start_fails:
            raise LookupError("no model")
        yield {"checks": []}
        (settings.folder / f"ended-{os.getpid()}").touch()

    return build_app(settings, title="Sample", lifespan=lifespan, routers=[router])
