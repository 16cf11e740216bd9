"""What an administrator is told, and what is refused: in one worker, without load."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from ml_predict.events import STREAM
from ml_predict.main import create_app
from ml_predict.metrics import DIFFERENCE
from ml_predict.settings import MlPredictSettings
from shared.events.event import decode
from shared.redis import stream_client
from shared.testing import TestIdentity, http_client, served

TINY = "/v2/repository/models/tiny"
ROWS = {"instances": [{"a": 1.0, "b": 2.0}]}


@pytest.fixture
def repository(tmp_path: Path, write_model: Callable[..., Path]) -> Path:
    for name, version in (("tiny", "1"), ("tiny", "2"), ("other", "1")):
        write_model(tmp_path, name, version, float(version))
    return tmp_path


@pytest.fixture
def own(settings: MlPredictSettings, repository: Path) -> MlPredictSettings:
    given = {"model_repository": repository, "model_name": "tiny", "model_version": None}
    return MlPredictSettings(**settings.model_dump() | given)


@pytest_asyncio.fixture(loop_scope="session")
async def admin(own: MlPredictSettings, identity: TestIdentity) -> AsyncIterator[httpx2.AsyncClient]:
    async with (
        served(create_app(own)) as live,
        http_client(live.url, headers=identity.headers(admin=True)) as client,
    ):
        yield client


async def version(client: httpx2.AsyncClient) -> str:
    answer = await client.post("/predict", json=ROWS)
    assert answer.status_code == 200
    found: str = answer.json()["model"]["version"]
    return found


@pytest.mark.parametrize(
    ("wanted", "status", "said"),
    [
        ({"default": "9"}, 422, "version 9 is not loaded"),
        ({"canary": {"version": "9", "weight": 0.1}}, 422, "version 9 is not loaded"),
        ({"shadow": "9"}, 422, "version 9 is not loaded"),
        ({"canary": {"version": "1", "weight": 0}}, 422, "weight"),
        ({"canary": {"version": "1", "weight": 1.5}}, 422, "weight"),
        ({"canary": {"version": "1"}}, 422, "weight"),
        ({"defualt": "1"}, 422, "defualt"),
    ],
)
async def test_traffic_that_cannot_be_is_refused_and_changes_nothing(
    admin: httpx2.AsyncClient, wanted: dict[str, Any], status: int, said: str
) -> None:
    answer = await admin.put(f"{TINY}/traffic", json=wanted)
    assert (answer.status_code, said in answer.text) == (status, True)
    unchanged = {"default": None, "canary": None, "shadow": None}
    assert (await admin.get(f"{TINY}/traffic")).json() == unchanged
    assert await version(admin) == "2"


@pytest.mark.parametrize("path", ["load", "unload", "traffic"])
@pytest.mark.parametrize("name", ["ruby", "..", "%2e%2e", "tiny%2f1"])
async def test_a_model_that_is_not_there_is_not_found(
    admin: httpx2.AsyncClient, path: str, name: str
) -> None:
    method = "GET" if path == "traffic" else "POST"
    answer = await admin.request(method, f"/v2/repository/models/{name}/{path}")
    assert answer.status_code == 404


async def test_an_answer_of_a_canary_says_that_it_is_one(admin: httpx2.AsyncClient) -> None:
    canary = {"version": "2", "weight": 1.0}
    assert (await admin.put(f"{TINY}/traffic", json={"default": "1", "canary": canary})).status_code == 200
    answer = (await admin.post("/predict", json=ROWS)).json()
    assert (answer["model"]["version"], answer["canary"]) == ("2", True)
    await admin.put(f"{TINY}/traffic", json={"default": "2", "canary": canary})
    assert "canary" not in (await admin.post("/predict", json=ROWS)).json()


async def test_another_default_is_announced(
    admin: httpx2.AsyncClient, own: MlPredictSettings, eventually: Callable[..., Any]
) -> None:
    async with stream_client(own) as redis:

        async def told() -> list[str]:
            events = [decode(fields) for _, fields in await redis.xrange(STREAM)]
            return [event.data["default"] for event in events if event.data["model"] == "tiny"]

        for default in ("1", "2"):
            await admin.put(f"{TINY}/traffic", json={"default": default})
            await eventually(lambda: last(told), default)


async def last(told: Callable[[], Awaitable[list[str]]]) -> str | None:
    return next(reversed(await told()), None)


async def test_what_is_needed_cannot_be_unloaded(admin: httpx2.AsyncClient) -> None:
    await admin.put(f"{TINY}/traffic", json={"default": "1", "shadow": "2"})
    for asked in ({"parameters": {"version": "1"}}, {"parameters": {"version": "2"}}, {}):
        answer = await admin.post(f"{TINY}/unload", json=asked)
        assert (answer.status_code, answer.json()["code"]) == (409, "model_in_use")
    assert await version(admin) == "1"


async def test_an_unloaded_model_is_gone_until_it_is_loaded_and_a_restart_remembers(
    admin: httpx2.AsyncClient, own: MlPredictSettings, identity: TestIdentity
) -> None:
    assert (await admin.post("/v2/repository/models/other/unload")).status_code == 200
    assert (await admin.post("/predict/other", json=ROWS)).status_code == 404
    await admin.put(f"{TINY}/traffic", json={"default": "1"})
    async with served(create_app(own)) as again:
        headers = identity.headers()
        assert (await again.client.post("/predict/other", json=ROWS, headers=headers)).status_code == 404
        answer = await again.client.post("/predict", json=ROWS, headers=headers)
        assert answer.json()["model"]["version"] == "1"
    assert (await admin.post("/v2/repository/models/other/load")).status_code == 200
    assert (await admin.post("/predict/other", json=ROWS)).status_code == 200


async def test_a_version_is_replaced_by_what_its_folder_holds_now(
    admin: httpx2.AsyncClient, repository: Path, write_model: Callable[..., Path]
) -> None:
    shutil.rmtree(repository / "tiny" / "2")
    write_model(repository, "tiny", "2", 5.0)
    assert (await admin.post(f"{TINY}/load")).status_code == 200
    (row,) = (await admin.post("/predict", json=ROWS)).json()["predictions"]
    assert row == {"first": 5.0, "second": 10.0}


async def test_a_shadow_is_compared_and_never_answers(
    admin: httpx2.AsyncClient, eventually: Callable[..., Any]
) -> None:
    await admin.put(f"{TINY}/traffic", json={"default": "2", "shadow": "1"})
    child = DIFFERENCE.labels("tiny", "1")
    before = child._sum.get()
    assert await version(admin) == "2"
    await eventually(lambda: child._sum.get() == before + 0.5)  # 1 instead of 2


async def test_a_decision_that_cannot_be_stored_changes_nothing(
    admin: httpx2.AsyncClient, repository: Path
) -> None:
    (repository / "serving.json.lock").mkdir()
    answer = await admin.put(f"{TINY}/traffic", json={"default": "1"})
    assert (answer.status_code, answer.json()["code"]) == (503, "state_unwritable")
    assert await version(admin) == "2"


@pytest.mark.parametrize("damaged", ["", "{half"])
async def test_decisions_that_cannot_be_read_are_not_overwritten(
    admin: httpx2.AsyncClient, repository: Path, damaged: str
) -> None:
    state = repository / "serving.json"
    state.write_text(damaged)
    for answer in (
        await admin.get(f"{TINY}/traffic"),
        await admin.put(f"{TINY}/traffic", json={"default": "1"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (503, "state_unreadable")
    assert state.read_text() == damaged
    assert await version(admin) == "2"
