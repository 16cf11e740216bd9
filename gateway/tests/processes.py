"""`python -m gateway` as a process of its own, before the tests' upstreams."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest_asyncio

from shared.testing import http_client
from shared.testing.programs import Program, begin


@dataclass
class Running:
    process: Program
    port: int
    metrics_port: int
    table: Path
    log: Path
    client: httpx2.AsyncClient

    async def status(self, path: str, **options: Any) -> int:
        return (await self.client.get(path, **options)).status_code

    async def ended(self) -> int:
        async with asyncio.timeout(20):
            return await self.process.wait()


ROW = """
[[route]]
prefix = "%s"
methods = ["GET"]
upstream = "items"
auth = "%s"
timeout = 20.0
body_limit = 0
"""


@pytest_asyncio.fixture
async def start(
    given: dict[str, Any], upstreams, tmp_path: Path, unused_tcp_port_factory, eventually
) -> AsyncIterator[Any]:
    started: list[Running] = []

    async def start(workers: int = 1, **environment: str) -> Running:
        table, log = tmp_path / "routes.toml", tmp_path / "log"
        table.write_text(ROW % ("/items", "public") + ROW % ("/mine", "required"))
        port, metrics_port = unused_tcp_port_factory(), unused_tcp_port_factory()
        wanted = {
            **given,
            "routes_file": table,
            "workers": workers,
            "port": port,
            "metrics_port": metrics_port,
        }
        variables = {f"GATEWAY_{name.upper()}": str(value) for name, value in wanted.items()}
        every = {**os.environ, **variables, **environment}
        process = Program(begin("-m", "gateway", environment=every, outputs=[log]))
        client = http_client(f"http://127.0.0.1:{port}")
        started.append(Running(process, port, metrics_port, table, log, client))

        async def up() -> bool:
            assert process.returncode is None, log.read_text()
            with contextlib.suppress(httpx2.TransportError):
                return await started[-1].status("/health") == 200
            return False

        await eventually(up)
        return started[-1]

    yield start
    for gateway in started:
        await gateway.client.aclose()
        if gateway.process.returncode is None:
            gateway.process.terminate()
        await gateway.ended()
        assert "Traceback" not in gateway.log.read_text()
