"""Runs a relay or a consumer as a process of its own: `python -m users.relay` comes here."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar

import uvicorn
from redis.asyncio import Redis

from shared.database import Database
from shared.events.page import page
from shared.health import Check
from shared.logging import configure_logging, get_logger
from shared.ports import cannot_listen
from shared.redis import stream_client
from shared.settings import EventProcessSettings, ServiceSettings

log = get_logger()


class Worker(Protocol):
    """A Relay, a Consumer or Consumers."""

    @property
    def checks(self) -> list[Check]: ...

    def running(self) -> AbstractAsyncContextManager[None]: ...


SettingsT = TypeVar("SettingsT", bound=ServiceSettings)


def run(
    settings: SettingsT, name: str, opened: Callable[[SettingsT], AbstractAsyncContextManager[Worker]]
) -> None:
    """Until SIGTERM or SIGINT. `/metrics`, `/health` and `/ready` are on the metrics port.

    Raises SystemExit with one line if that port is in use.
    """
    own = settings.model_copy(update={"service": name})
    configure_logging(own)
    with contextlib.ExitStack() as stack:
        listener = _listener(own, stack) if own.metrics_port else None
        asyncio.run(_run(own, opened(own), listener))


@contextlib.asynccontextmanager
async def connections(
    settings: EventProcessSettings, application_name: str
) -> AsyncIterator[tuple[Database, Redis]]:
    """What a relay or a consumer works with."""
    async with contextlib.AsyncExitStack() as stack:
        database = Database(settings, application_name)
        stack.push_async_callback(database.close)
        yield database, await stack.enter_async_context(stream_client(settings))


def _listener(settings: ServiceSettings, stack: contextlib.ExitStack) -> socket.socket:
    try:
        listener = socket.create_server((settings.host, settings.metrics_port))
    except OSError as error:
        raise cannot_listen(settings.host, settings.metrics_port, error) from None
    return stack.enter_context(listener)


async def _run(
    settings: ServiceSettings, opened: AbstractAsyncContextManager[Worker], listener: socket.socket | None
) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with opened as worker, _observed(settings, worker.checks, listener), worker.running():
        log.info("process_started")
        await stopping.wait()
    log.info("process_stopped")


@contextlib.asynccontextmanager
async def _observed(
    settings: ServiceSettings, checks: list[Check], listener: socket.socket | None
) -> AsyncIterator[None]:
    if listener is None:
        yield
        return
    config = uvicorn.Config(
        page(settings, checks),
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await task


class _Server(uvicorn.Server):
    """Signals end the process's work first."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield
