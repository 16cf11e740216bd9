"""A worker that stops answers what still arrives: reloads and stops under load lose no request."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from shared.embedded.child import Process
from shared.testing.programs import begin
from shared.testing.steady_load import SteadyLoad, steady_load
from shared.testing.waiting import eventually

PROGRAM = (
    "from shared.serve import serve; serve('sample_service:create_app', 'sample_service:SampleSettings')"
)


@dataclass
class Running:
    process: Process
    port: int
    log: Path

    def booted(self) -> int:
        return self.log.read_text().count("Application startup complete")

    def ended(self) -> int:
        return self.log.read_text().count("Finished server process")


@pytest.fixture
def start(tmp_path: Path, unused_tcp_port_factory: Callable[[], int]) -> Iterator[Callable[..., Running]]:
    with contextlib.ExitStack() as stack:

        def run(**settings: Any) -> Running:
            port, log = unused_tcp_port_factory(), tmp_path / "log"
            given = {"port": port, "folder": tmp_path, "graceful_timeout": 8, **settings}
            environment = {f"SAMPLE_{name.upper()}": str(value) for name, value in given.items()}
            every = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), **environment}
            process = begin("-c", PROGRAM, environment=every, outputs=[log])
            stack.callback(process.wait)
            stack.callback(process.terminate)
            service = Running(process, port, log)
            eventually(lambda: service.booted() >= settings.get("workers", 1))
            return service

        yield run


async def reload_under_load(service: Running, times: int) -> SteadyLoad:
    """With two workers."""
    async with steady_load(service.port, "/greeting") as load:
        for number in range(1, times + 1):
            seen = load.answered
            service.process.send_signal(signal.SIGHUP)
            await asyncio.to_thread(eventually, lambda n=number: service.booted() >= 2 * n + 2)
            await asyncio.to_thread(eventually, lambda n=number: service.ended() >= 2 * n)
            await asyncio.to_thread(eventually, lambda s=seen: load.answered > s + 50)
    return load


async def test_reloads_under_load_lose_no_request(start: Callable[..., Running]) -> None:
    load = await reload_under_load(start(workers=2), 2)
    assert load.failures == []
    assert load.answered > 100


@pytest.mark.soak
async def test_twenty_reloads_under_load_lose_no_request(start: Callable[..., Running]) -> None:
    load = await reload_under_load(start(workers=2), 20)
    assert load.failures == []
    assert load.answered > 1000


def test_an_idle_connection_has_the_grace_for_one_more_request(start: Callable[..., Running]) -> None:
    service = start(workers=1, drain_grace=1.5)
    address = ("127.0.0.1", service.port)
    with socket.create_connection(address, 20) as used, socket.create_connection(address, 20) as unused:
        assert b"connection: close" not in ask(used)
        service.process.terminate()
        eventually(lambda: "Shutting down" in service.log.read_text())
        assert b"connection: close" in ask(used)
        assert used.recv(1) == b""
        assert unused.recv(1) == b""  # closed when the grace is over
    assert service.process.wait(20) == 0


def ask(client: socket.socket) -> bytes:
    client.sendall(b"GET /greeting HTTP/1.1\r\nHost: x\r\n\r\n")
    received = b""
    while b'"hello"' not in received:
        received += client.recv(65_536)
    return received
