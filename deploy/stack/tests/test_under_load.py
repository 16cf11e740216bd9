# ruff: noqa: T201 - the soaks print their figures
"""The running stack under abuse, faults, a key rotation and reloads, while people go on using it."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from stack.catalogue import services
from stack.testing import Demo

from .abuse import KINDS
from .faults import (
    all_workers,
    flush,
    pause,
    reload,
    restart_empty,
    rotate,
    rotate_until_the_new_key_signs,
    short_pause,
)
from .load import answered, lost, well_behaved
from .watch import Watch

Fault = Callable[[Demo, Watch], Awaitable[None]]
SHORT: list[Fault] = [flush, restart_empty, short_pause, rotate]
LONG: dict[str, Fault] = {
    "flush": flush,
    "restart_empty": restart_empty,
    "pause": pause,
    "rotate": rotate_until_the_new_key_signs,
}
SOAK = [pytest.mark.soak, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def demo(folder: Path) -> Iterator[Demo]:
    """Two workers of each service: what one knows, the other may not."""
    workers = {f"{service.variable}_WORKERS": "2" for service in services().values()}
    started = Demo(folder, USERS_PAIR_ATTEMPTS="100000", USERS_ADDRESS_ATTEMPTS="100000", **workers)
    try:
        started.says("Where to look")
        yield started
    finally:
        started.end()


@pytest.mark.parametrize("seconds", [pytest.param(60, marks=SOAK)])
async def test_abuse_costs_no_memory_and_hurts_nobody_else(demo: Demo, seconds: int) -> None:
    """Each kind of abuse at once, at the gateway and at the services behind it."""
    workers = all_workers(demo)
    idle = {worker: resident(worker) for worker in workers}
    highest = dict(idle)
    async with well_behaved(demo, clients=2) as loads:
        abusers = {kind: await abuser(demo, kind, seconds) for kind in KINDS}
        while any(one.returncode is None for one in abusers.values()):
            highest = {worker: max(seen, resident(worker)) for worker, seen in highest.items()}
            await asyncio.sleep(0.1)
    done = {kind: json.loads((await one.communicate())[0]) for kind, one in abusers.items()}
    memory = {f"{workers[worker]} {worker}": (idle[worker], highest[worker]) for worker in workers}
    print("abuse", done, "MiB, idle and highest", memory, "answered beside it", answered(loads), sep="\n  ")
    assert all(kind["connections"] for kind in done.values())
    assert lost(loads) == []
    assert all(answered(loads).values())
    assert {name: seen for name, seen in memory.items() if seen[1] >= 2 * seen[0]} == {}
    assert all_workers(demo) == workers


def resident(process: int) -> int:
    """MiB; 0 for a process that has ended."""
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * 4096 >> 20
    return 0


async def abuser(demo: Demo, kind: str, seconds: float) -> asyncio.subprocess.Process:
    everywhere = [demo.ports[f"{service.variable}_PORT"] for service in services().values()]
    ports = [demo.ports["GATEWAY_PORT"]] if kind == "idle" else everywhere
    program = str(Path(__file__).with_name("abuse.py"))
    return await asyncio.create_subprocess_exec(
        sys.executable, program, kind, str(seconds), *ports, stdout=asyncio.subprocess.PIPE
    )


@pytest.mark.parametrize("times", [pytest.param(20, marks=SOAK)])
async def test_reloads_of_every_service_lose_no_request(demo: Demo, times: int) -> None:
    """The short form is the reload at the end of the test below."""
    async with well_behaved(demo) as loads:
        for _ in range(times):
            await reload(demo)
    print("reloads of every service:", times, "answered:", answered(loads))
    assert lost(loads) == []
    assert all(answered(loads).values())


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param(SHORT, marks=SOAK, id="each in turn"),
        *(pytest.param([fault], marks=SOAK, id=name) for name, fault in LONG.items()),
    ],
)
async def test_no_ended_session_comes_back_and_no_other_is_lost(demo: Demo, faults: list[Fault]) -> None:
    """Neither with the workers that saw the fault nor with new ones."""
    async with watching(demo) as watch, watch.asking() as seen, well_behaved(demo) as loads:
        for fault in faults:
            await fault(demo, watch)
            await watch.turns(2)
        await watch.end(await watch.person("later"))
        await reload(demo)
        await watch.turns(4)
    print(
        "asked", dict(seen.asked), "no answer", dict(seen.unavailable), "beside", answered(loads), sep="\n  "
    )
    assert seen.accepted_ended == []
    assert seen.refused_good == []
    assert seen.asked["ended"]
    assert lost(loads) == []


@contextlib.asynccontextmanager
async def watching(demo: Demo) -> AsyncIterator[Watch]:
    """People and API keys, some of which have ended."""
    async with Watch(demo) as watch:
        for _ in range(3):
            await watch.end(await watch.person("ended"))
        owner = await watch.person("good")
        await watch.revoke(owner, await watch.key(owner))
        await watch.key(owner)
        await watch.person("good")
        yield watch
