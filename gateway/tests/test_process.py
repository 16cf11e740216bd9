"""The real thing: `python -m gateway`, under gunicorn, with signals."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
import uuid
from pathlib import Path

import pytest

from gateway.tests.processes import ROW
from shared.identity.revocations import publish_end
from shared.testing import TestIdentity


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
        return await gateway.status("/more") == 200

    await eventually(taken)
    assert await gateway.status("/items") == 200
    assert gateway.log.read_text().count("reload_refused") == 1
    assert gateway.log.read_text().count("Booting worker") == 1


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
