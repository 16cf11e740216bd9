"""Nothing is lost under load: while routes are reloaded, a replica or a worker dies, workers are replaced."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from gateway.tests.conftest import Upstream
from gateway.tests.processes import ROW
from shared.testing.steady_load import steady_load

UPSTREAM = """
[[upstream]]
name = "items"
replicas = [%s]
"""


def workers(master: int) -> set[int]:
    return {int(pid) for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split()}


@pytest.mark.parametrize("times", [12, pytest.param(100, marks=pytest.mark.soak)])
async def test_reloads_lose_no_request_and_no_connection(start, items, eventually, times: int) -> None:
    """The route table and the upstream's declaration change each time."""
    gateway = await start(workers=2, GATEWAY_ITEMS_URL="")
    table = gateway.table.read_text()

    async def reload(turn: int) -> None:
        changed = f"{UPSTREAM % f'{items.url!r}'}connect_timeout = {10 + turn}.0\n"
        gateway.table.write_text(table + changed + ROW % (f"/route-{turn}", "public"))
        gateway.process.send_signal(signal.SIGHUP)
        await eventually(lambda: gateway.log.read_text().count('"event":"reloaded"') >= 2 * turn)

    await reload(1)  # the table that it started with names no upstream that answers
    async with steady_load(gateway.port, "/items", longest_pause=0.02) as load:
        for turn in range(2, times + 2):
            await reload(turn)
            seen = load.answered
        await eventually(lambda: load.answered > seen + 50)
    assert load.failures == []


async def test_a_reload_keeps_connections_of_what_did_not_change(start, items, eventually) -> None:
    gateway = await start()
    assert await gateway.status("/items") == 200
    gateway.table.write_text(gateway.table.read_text() + ROW % ("/more", "public"))
    gateway.process.send_signal(signal.SIGHUP)
    await eventually(lambda: '"event":"reloaded"' in gateway.log.read_text())
    assert await gateway.status("/more") == 200
    assert items.peers == 1


async def test_a_request_under_way_keeps_the_upstream_that_is_gone(start, items, answer, eventually) -> None:
    gateway = await start()
    may_answer = asyncio.Event()

    async def script(peer) -> None:
        items.requests.append(await peer.request())
        await may_answer.wait()
        await peer.send(answer(b"late"))

    items.script = script
    row = f'[[upstream]]\nname = "other"\nreplicas = ["{items.url}"]\n'
    table = gateway.table.read_text()
    gateway.table.write_text(table + row + (ROW % ("/other", "public")).replace('"items"', '"other"'))
    gateway.process.send_signal(signal.SIGHUP)
    await eventually(lambda: '"event":"reloaded"' in gateway.log.read_text())
    asked = asyncio.create_task(gateway.client.get("/other"))
    await eventually(lambda: items.requests)
    gateway.table.write_text(table)
    gateway.process.send_signal(signal.SIGHUP)
    await eventually(lambda: gateway.log.read_text().count('"event":"reloaded"') == 2)
    assert await gateway.status("/other") == 404
    may_answer.set()
    assert (await asked).text == "late"


async def test_a_replica_that_dies_takes_no_idempotent_request_along(start, items, eventually) -> None:
    other = Upstream()
    await other.start()
    gateway = await start(workers=2, GATEWAY_ITEMS_URL=f"{items.url},{other.url}")
    async with steady_load(gateway.port, "/items", longest_pause=0.02) as load:
        await eventually(lambda: len(other.requests) > 50 and len(items.requests) > 50)
        await other.stop()
        before = load.answered
        await eventually(lambda: load.answered > before + 300)
        await other.start()
        alive = len(other.requests)
        await eventually(lambda: len(other.requests) > alive + 20, seconds=20)
    assert load.failures == []
    await other.stop()


async def test_workers_are_replaced_one_after_the_other_and_no_request_is_lost(start, eventually) -> None:
    gateway = await start(workers=2, GATEWAY_DRAIN_GRACE="1")
    master = gateway.process.pid
    async with steady_load(gateway.port, "/items", longest_pause=0.3) as load:
        for worker in sorted(workers(master)):
            os.kill(worker, signal.SIGTERM)

            def replaced(worker: int = worker) -> bool:
                return worker not in workers(master) and len(workers(master)) == 2

            await eventually(replaced, seconds=20)
            before = load.answered
            await eventually(lambda before=before: load.answered > before + 100)
    assert load.failures == []


async def test_a_killed_worker_takes_only_its_own_requests_along(start, eventually) -> None:
    gateway = await start(workers=2)
    master = gateway.process.pid
    clients = 16
    async with steady_load(gateway.port, "/items", clients=clients, longest_pause=0.02) as load:
        await eventually(lambda: load.answered > 100)
        os.kill(min(workers(master)), signal.SIGKILL)
        before = load.answered
        await eventually(lambda: load.answered > before + 300)
        await eventually(lambda: len(workers(master)) == 2)
    assert len(load.failures) <= clients, "one for each connection at most"
    assert all(failure.startswith("no answer") for failure in load.failures)
