"""Starting, refusing to start, being ready, and stopping."""

import asyncio
import os
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ml_predict.exceptions import ModelFileCorrupt, ModelMissing
from ml_predict.lifespan import resources
from ml_predict.main import create_app
from ml_predict.model import Model
from ml_predict.repository import Repository
from ml_predict.settings import MlPredictSettings
from shared.testing import LiveApp, TestIdentity, served
from shared.testing.programs import Program, started


@pytest.fixture
def repository(folder: Path, tmp_path: Path) -> Path:
    shutil.copytree(folder.parents[1], tmp_path / "models")
    return tmp_path / "models"


def changed(settings: MlPredictSettings, **changes: Any) -> MlPredictSettings:
    return MlPredictSettings(**settings.model_dump() | changes)


def spoil(repository: Path) -> Path:
    path = repository / "diamond-price" / "1" / "model.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    return path


async def test_a_wrong_digest_stops_the_start_and_names_the_file(
    settings: MlPredictSettings, repository: Path
) -> None:
    path = spoil(repository)
    with pytest.raises(ModelFileCorrupt, match=re.escape(f"{path} is corrupt: its SHA-256 is")):
        async with resources(changed(settings, model_repository=repository)):
            pytest.fail("started with a model that was tampered with")


@pytest.mark.parametrize(("name", "version"), [("diamond-price", "2"), ("ruby-price", None)])
async def test_a_missing_model_stops_the_start_and_names_the_file(
    settings: MlPredictSettings, name: str, version: str | None
) -> None:
    without = changed(settings, model_name=name, model_version=version)
    with pytest.raises(ModelMissing, match=rf"{name}(/{version}/card\.json)? is missing"):
        async with resources(without):
            pytest.fail("started without a model")


async def failed_start(settings: MlPredictSettings) -> str:
    """What the application tells its server, by the ASGI lifespan protocol."""
    said: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        said.append(message)

    scope: dict[str, Any] = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    with pytest.raises(Exception, match=r"."):
        await create_app(settings)(scope, receive, send)
    assert [message["type"] for message in said] == ["lifespan.startup.failed"]
    return str(said[0]["message"])


async def test_the_reason_is_one_line(settings: MlPredictSettings, repository: Path) -> None:
    path = spoil(repository)
    reason = await failed_start(changed(settings, model_repository=repository))
    assert reason.startswith(f"model file {path} is corrupt")
    assert "\n" not in reason


async def test_an_error_of_our_own_keeps_its_stack(
    settings: MlPredictSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Model) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(Model, "warm_up", broken)
    reason = await failed_start(settings)
    assert reason.startswith("Traceback")
    assert "ZeroDivisionError: ours" in reason


async def test_the_model_is_warm_before_the_service_is_ready(
    settings: MlPredictSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    warmed: list[Model] = []
    warm_up = Model.warm_up

    def noted(model: Model) -> None:
        warm_up(model)
        warmed.append(model)

    monkeypatch.setattr(Model, "warm_up", noted)
    async with resources(settings) as made:
        assert len(warmed) == len(Repository(settings.model_repository).stored())
        assert await made["predictions"].ping()


async def test_ready_says_which_model_is_served(live: LiveApp) -> None:
    answer = await live.client.get("/ready")
    assert answer.status_code == 200
    checks = answer.json()["checks"]
    assert {name: check["ok"] for name, check in checks.items()} == dict.fromkeys(
        ["models", "keys", "revocations"], True
    )
    assert checks["models"]["info"]["diamond-price"] == "1"


async def test_without_redis_at_its_start_it_is_not_ready_and_prices_for_nobody(
    settings: MlPredictSettings, identity: TestIdentity, diamond: dict[str, Any], tmp_path: Path
) -> None:
    async with served(create_app(changed(settings, redis_url=f"unix://{tmp_path}/none"))) as live:
        ready = await live.client.get("/ready")
        assert (ready.status_code, ready.json()["detail"]) == (503, "Not ready: revocations.")
        answer = await live.client.post("/predict", json={"instances": [diamond]}, headers=identity.headers())
        assert (answer.status_code, answer.json()["code"]) == (503, "revocations_unknown")


async def test_without_keys_nobody_can_be_judged(
    settings: MlPredictSettings, identity: TestIdentity, diamond: dict[str, Any], closed_port: int
) -> None:
    gone = changed(settings, jwks_url=f"http://127.0.0.1:{closed_port}/keys")
    async with served(create_app(gone)) as live:
        ready = await live.client.get("/ready")
        assert (ready.status_code, ready.json()["detail"]) == (503, "Not ready: keys.")
        answer = await live.client.post("/predict", json={"instances": [diamond]}, headers=identity.headers())
        assert (answer.status_code, answer.json()["code"]) == (503, "keys_unavailable")
        assert answer.headers["retry-after"] == "1"


async def start(settings: MlPredictSettings) -> Program:
    """`python -m ml_predict`, which is gunicorn, on a port that the system chooses."""
    given = {
        "REDIS_URL": settings.redis_url,
        "REDIS_PASSWORD": settings.redis_password.get_secret_value(),
        "JWKS_URL": settings.jwks_url,
        "MODEL_REPOSITORY": str(settings.model_repository),
        "WORKERS": "2",
        "PORT": "0",
        "LOG_FORMAT": "json",
    }
    environment = os.environ | {f"ML_PREDICT_{name}": value for name, value in given.items()}
    return await started("-m", "ml_predict", environment=environment)


async def test_under_gunicorn_a_bad_model_ends_the_whole_service(
    settings: MlPredictSettings, repository: Path
) -> None:
    path = spoil(repository)
    process = await start(changed(settings, model_repository=repository))
    async with asyncio.timeout(30):
        [output] = await process.communicate()
    assert process.returncode == 3
    assert f"model file {path} is corrupt" in output.decode()
    assert "Traceback" not in output.decode()


async def test_under_gunicorn_workers_start_answer_and_end_by_themselves(
    settings: MlPredictSettings, eventually: Callable[..., Any]
) -> None:
    process = await start(settings)
    assert process.stdout is not None
    async with asyncio.timeout(30):
        while not (
            listening := re.search(rb"Listening at: (http://[0-9.:]+)", await process.stdout.readline())
        ):
            pass
        async with httpx2.AsyncClient(base_url=listening[1].decode(), timeout=20) as client:

            async def status() -> int:
                return (await client.get("/ready")).status_code

            await eventually(status, 200)
        process.send_signal(signal.SIGTERM)
        rest = (await process.communicate())[0].decode()
    assert process.returncode == 0
    assert rest.count("Application shutdown complete") == 2
    assert "SIGKILL" not in rest
