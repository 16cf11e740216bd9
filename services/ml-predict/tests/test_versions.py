"""Versions that come and go under load: nobody notices but by the answers."""

import asyncio
import contextlib
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ml_predict.settings import MlPredictSettings
from shared.testing import TestIdentity
from shared.testing.programs import Program, begin
from shared.testing.waiting import becomes

TINY = "/v2/repository/models/tiny"
ROW = {"instances": [{"a": 1.0, "b": 2.0}]}
WriteModel = Callable[..., Path]


@dataclass
class Fleet:
    """A model server of several workers, an administrator, and callers who never stop asking."""

    folder: Path
    process: asyncio.subprocess.Process
    admin: httpx2.AsyncClient
    callers: httpx2.AsyncClient
    answers: Counter[float] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    async def ask(self) -> float:
        """The factor of the version that answered, on a connection of its own: any worker may have it."""
        answer = await self.callers.post("/predict", json=ROW, headers={"Connection": "close"})
        if answer.status_code != 200:
            self.failures.append(f"{answer.status_code} {answer.text}")
            return 0.0
        factor: float = answer.json()["predictions"][0]["first"]
        assert answer.json()["model"]["version"] == str(int(factor))
        self.answers[factor] += 1
        return factor

    async def keep_asking(self) -> None:
        while True:
            try:
                await self.ask()
            except httpx2.HTTPError as error:
                self.failures.append(repr(error))

    async def all_answer(self, factor: float) -> bool:
        return {await self.ask() for _ in range(24)} == {factor}

    async def ready(self) -> bool:
        with contextlib.suppress(httpx2.TransportError):
            return (await self.callers.get("/ready")).status_code == 200
        return False

    async def route(self, **traffic: Any) -> httpx2.Response:
        return await self.admin.put(f"{TINY}/traffic", json=traffic)


@contextlib.asynccontextmanager
async def fleet(
    folder: Path, settings: MlPredictSettings, identity: TestIdentity, port: int, **given: str
) -> AsyncIterator[Fleet]:
    own = {
        "REDIS_URL": settings.redis_url,
        "REDIS_PASSWORD": settings.redis_password.get_secret_value(),
        "JWKS_URL": settings.jwks_url,
        "MODEL_REPOSITORY": str(folder),
        "MODEL_NAME": "tiny",
        "PORT": str(port),
        "LOG_FORMAT": "json",
        "LOG_LEVEL": "warning",
        **given,
    }
    url = f"http://127.0.0.1:{port}"
    environment = os.environ | {f"ML_PREDICT_{name}": value for name, value in own.items()}
    process = Program(begin("-m", "ml_predict", environment=environment, outputs=[Path(os.devnull)]))
    try:
        async with (
            httpx2.AsyncClient(base_url=url, headers=identity.headers(1, admin=True), timeout=20) as admin,
            httpx2.AsyncClient(base_url=url, headers=identity.headers(7), timeout=20) as callers,
        ):
            made = Fleet(folder, process, admin, callers)
            await becomes(made.ready, seconds=30)
            yield made
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        await process.wait()


@contextlib.asynccontextmanager
async def asked_all_the_time(fleet: Fleet, callers: int = 4) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(fleet.keep_asking()) for _ in range(callers)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.soak), 3])
async def test_swap_damage_canary_shadow_and_rollback_lose_no_request(
    settings: MlPredictSettings,
    identity: TestIdentity,
    write_model: WriteModel,
    tmp_path: Path,
    closed_port: int,
    workers: int,
) -> None:
    write_model(tmp_path, "tiny", "1", 1.0)
    async with (
        fleet(tmp_path, settings, identity, closed_port, WORKERS=str(workers)) as served,
        asked_all_the_time(served),
    ):
        await becomes(lambda: served.answers[1.0] > 10)
        write_model(tmp_path, "tiny", "2", 2.0)
        assert await served.ask() == 1.0  # nobody has asked for it
        assert (await served.admin.post(f"{TINY}/load")).json() == {"name": "tiny", "versions": ["1", "2"]}
        await becomes(lambda: served.all_answer(2.0))

        write_model(tmp_path, "tiny", "3", 3.0, damaged=True)
        refused = await served.admin.post(f"{TINY}/load", json={"parameters": {"version": "3"}})
        assert (refused.status_code, refused.json()["code"]) == (422, "model_rejected")
        assert "SHA-256" in refused.json()["detail"]
        assert await served.all_answer(2.0)

        assert (await served.route(default="1", canary={"version": "2", "weight": 0.5})).status_code == 200
        before = served.answers.copy()
        await becomes(lambda: all((served.answers - before)[factor] > 10 for factor in (1.0, 2.0)))

        assert (await served.route(default="1", shadow="2")).status_code == 200
        await becomes(lambda: served.all_answer(1.0))
        assert (await served.route(default="2")).status_code == 200
        await becomes(lambda: served.all_answer(2.0))
        gone = await served.admin.post(f"{TINY}/unload", json={"parameters": {"version": "1"}})
        assert gone.status_code == 200
    assert served.failures == []
    assert served.answers.keys() == {1.0, 2.0}


async def test_a_killed_worker_takes_only_what_it_was_computing_and_comes_back_as_the_others_are(
    settings: MlPredictSettings,
    identity: TestIdentity,
    write_model: WriteModel,
    tmp_path: Path,
    closed_port: int,
) -> None:
    for version in ("1", "2"):
        write_model(tmp_path, "tiny", version, float(version))
    async with fleet(tmp_path, settings, identity, closed_port, WORKERS="2") as served:
        assert (await served.route(default="1")).status_code == 200
        workers = children(served.process.pid)
        await each_answers(served, workers, 1.0)
        served.answers.clear()
        async with asked_all_the_time(served):
            os.kill(workers[0], signal.SIGKILL)
            await becomes(lambda: len(set(children(served.process.pid)) - {workers[0]}) == 2, seconds=30)
            await becomes(served.ready, seconds=30)
            seen = served.answers.total()
            await becomes(lambda: served.answers.total() > seen + 50)
        assert len(served.failures) <= 4  # as many as callers were waiting
        assert served.answers.keys() == {1.0}
        await each_answers(served, children(served.process.pid), 1.0)


async def test_the_folder_is_watched_when_asked_to(
    settings: MlPredictSettings,
    identity: TestIdentity,
    write_model: WriteModel,
    tmp_path: Path,
    closed_port: int,
) -> None:
    write_model(tmp_path, "tiny", "1", 1.0)
    async with fleet(tmp_path, settings, identity, closed_port, WORKERS="2", WATCH="true") as served:
        write_model(tmp_path, "tiny", "2", 2.0)
        await becomes(lambda: served.all_answer(2.0))
        write_model(tmp_path, "tiny", "3", 3.0, damaged=True)
        index = "/v2/repository/index"

        async def refused() -> bool:
            listed = (await served.callers.post(index)).json()
            return any("SHA-256" in each["reason"] for each in listed if each["version"] == "3")

        await becomes(refused)
        assert await served.all_answer(2.0)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def each_answers(served: Fleet, workers: list[int], factor: float) -> None:
    """Each worker by itself: one that has more luck may take all requests, and follow before the others."""
    for worker in workers:
        others = [other for other in workers if other != worker]
        for other in others:
            os.kill(other, signal.SIGSTOP)
        try:
            await becomes(lambda: served.all_answer(factor))
        finally:
            for other in others:
                os.kill(other, signal.SIGCONT)
