"""The real thing: `python -m gateway`, under gunicorn, with signals."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from shared.identity.revocations import publish_end
from shared.testing import TestIdentity


@dataclass
class Running:
    process: asyncio.subprocess.Process
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
        with log.open("wb") as out:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "gateway",
                env={**os.environ, **variables, **environment},
                stdout=out,
                stderr=out,
            )
        client = httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=20)
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


async def test_a_changed_table_is_taken_on_sighup_and_a_wrong_one_is_not(start, eventually) -> None:
    gateway = await start()
    right = gateway.table.read_text()
    assert await gateway.status("/items") == 200
    assert await gateway.status("/more") == 404

    gateway.table.write_text(right + ROW % ("/more", "nobody"))
    gateway.process.send_signal(signal.SIGHUP)
    await eventually(lambda: "reload_refused" in gateway.log.read_text())
    assert f"{gateway.table}: route 3 (/more): auth: Input should be" in gateway.log.read_text()
    assert await gateway.status("/items") == 200
    assert await gateway.status("/more") == 404

    gateway.table.write_text(right + ROW % ("/more", "public"))
    gateway.process.send_signal(signal.SIGHUP)

    async def taken() -> bool:
        with contextlib.suppress(httpx2.TransportError):  # a kept connection of the worker that left
            return await gateway.status("/more") == 200
        return False

    await eventually(taken)
    assert await gateway.status("/items") == 200


async def test_a_request_that_is_under_way_at_sigterm_is_finished(start, items, answer, eventually) -> None:
    gateway = await start()
    may_answer = asyncio.Event()

    async def script(peer) -> None:
        items.requests.append(await peer.request())
        await may_answer.wait()
        await peer.send(answer(b"finished"))

    items.script = script
    asked = asyncio.create_task(gateway.client.get("/items"))
    await eventually(lambda: items.requests)
    gateway.process.terminate()

    async def closed() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        except ConnectionRefusedError:
            return True
        writer.close()
        return False

    await eventually(closed)
    assert not asked.done()
    may_answer.set()
    assert (await asked).text == "finished"
    assert await gateway.ended() == 0
    assert "Application shutdown complete" in gateway.log.read_text()


async def test_no_line_of_the_access_log_is_lost_at_sigterm(start) -> None:
    gateway = await start()
    for number in range(50):
        assert await gateway.status(f"/items/{number}") == 200
    gateway.process.terminate()
    assert await gateway.ended() == 0
    lines = [json.loads(line) for line in gateway.log.read_text().splitlines() if '"request"' in line]
    assert [line["path"] for line in lines] == [f"/items/{number}" for number in range(50)]
    assert {line["status"] for line in lines} == {200}


def worker_of(connection: tuple[int, int], master: int) -> int | None:
    """The process that accepted the connection `(gateway's port, client's port)`, from /proc."""
    ours = [f"0100007F:{port:04X}" for port in connection]
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inode = next((row[9] for row in rows if row[1:3] == ours), None)
    for child in Path(f"/proc/{master}/task/{master}/children").read_text().split():
        for entry in Path(f"/proc/{child}/fd").iterdir():
            with contextlib.suppress(OSError):
                if str(entry.readlink()) == f"socket:[{inode}]":
                    return int(child)
    return None


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells which worker has a connection")
async def test_all_workers_hear_of_an_ended_session(
    start, identity: TestIdentity, redis, dial, eventually
) -> None:
    gateway = await start(workers=2)
    session = uuid.uuid4().hex
    request = (
        b"GET /mine HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\n\r\n"
        % identity.token(sid=session).encode()
    )
    wires = {}

    async def both_workers_are_connected() -> bool:
        wire = await dial(gateway.port)
        await wire.send(request)
        assert (await wire.answer())[0] == 200
        mine = wire.writer.get_extra_info("sockname")[1]
        wires[worker_of((gateway.port, mine), gateway.process.pid)] = wire
        return len(wires) == 2

    await eventually(both_workers_are_connected)
    assert None not in wires
    await publish_end(redis, [session], 60)
    for wire in wires.values():

        async def refused(wire=wire) -> bool:
            await wire.send(request)
            return (await wire.answer())[0] == 401

        await eventually(refused)


async def test_metrics_are_on_their_own_port_and_never_on_the_public_one(start, eventually) -> None:
    gateway = await start(workers=2)
    await gateway.status("/items")
    for headers in ({}, {"Host": f"127.0.0.1:{gateway.metrics_port}"}):
        assert await gateway.status("/metrics", headers=headers) == 404
    private = f"http://127.0.0.1:{gateway.metrics_port}"

    async def counted() -> bool:  # the other worker may have it, and write it a moment later
        metrics = await gateway.client.get(f"{private}/metrics")
        return re.search(r'http_requests_total\{.*route="/items".*\} 1.0', metrics.text) is not None

    await eventually(counted)
    assert await gateway.status(f"{private}/items") == 404


async def test_a_wrong_table_stops_the_start_with_one_line(given, upstreams, tmp_path: Path) -> None:
    table = tmp_path / "routes.toml"
    table.write_text(ROW % ("/items", "nobody"))
    variables = {f"GATEWAY_{name.upper()}": str(value) for name, value in given.items()}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway",
        env={**os.environ, **variables, "GATEWAY_ROUTES_FILE": str(table)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 1
    assert said.decode().count("\n") == 1
    assert f"{table}: route 1 (/items): auth: Input should be 'public'" in said.decode()
