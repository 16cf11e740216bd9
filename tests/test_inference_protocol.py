"""A client written for other servers, unchanged: tritonclient through the gateway with an API key."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio
from fastapi import FastAPI

import gateway.main
import gateway.settings
import ml_predict.main
import ml_predict.settings
from gateway.wire.server import ClientConnection
from shared.testing import LiveApp, TestIdentity, served

ROOT = Path(__file__).parent.parent
CLIENT = ROOT / "loadtests/.venv/bin/python"  # gevent, which the client needs, stays out of our environment
KEY = "facet_" + "k" * 43
PROGRAM = """
import sys
import numpy as np
import tritonclient.http as triton

client = triton.InferenceServerClient(sys.argv[1])
headers = {"X-API-Key": sys.argv[2]}
assert client.is_server_live(headers=headers)
assert client.is_server_ready(headers=headers)
assert client.is_model_ready("diamond-price", headers=headers)
assert "binary_tensor_data" in client.get_server_metadata(headers=headers)["extensions"]
index = client.get_model_repository_index(headers=headers)
assert ("diamond-price", "1") in {(model["name"], model["version"]) for model in index}
metadata = client.get_model_metadata("diamond-price", headers=headers)
assert metadata["inputs"] == [{"name": "features", "datatype": "FP32", "shape": [-1, 9]}]
row = [0.7, 4, 3, 3, 61.8, 56.0, 5.7, 5.72, 3.53]
found = []
# infer() writes into the headers that it is given, so each call gets its own
for binary in (True, False):
    given = triton.InferInput("features", [2, 9], "FP32")
    given.set_data_from_numpy(np.array([row, row], np.float32), binary_data=binary)
    wanted = triton.InferRequestedOutput("prices", binary_data=binary)
    answer = client.infer("diamond-price", [given], outputs=[wanted], request_id="7", headers=dict(headers))
    assert answer.get_response()["id"] == "7"
    found.append(answer.as_numpy("prices"))
assert found[0].shape == (2, 3) and found[0].dtype == np.float64
assert np.array_equal(*found)
given = triton.InferInput("features", [1, 9], "FP32")
given.set_data_from_numpy(np.array([[-1.0, *row[1:]]], np.float32))
try:
    client.infer("diamond-price", [given], headers=dict(headers))
except triton.InferenceServerException as error:
    print(error.status(), error.message())
"""


@pytest_asyncio.fixture(loop_scope="session")
async def door(
    identity: TestIdentity, redis_settings: dict[str, Any], closed_port: int
) -> AsyncIterator[LiveApp]:
    """The gateway in front of the model server; API keys become tokens as `users` would make them."""
    users = FastAPI()

    @users.post("/internal/api-keys/exchange")
    async def exchange() -> dict[str, Any]:
        return {"access_token": identity.token(7), "expires_in": 900}

    common = {**redis_settings, "jwks_url": identity.jwks_url}
    models = ml_predict.main.create_app(ml_predict.settings.MlPredictSettings(**common))
    async with served(users) as accounts, served(models) as predictions:
        settings = gateway.settings.GatewaySettings(
            **common,
            internal_secret="known-to-users-and-gateway",  # type: ignore[arg-type]  # pydantic wraps it
            users_url=accounts.url,
            ml_predict_url=predictions.url,
            items_url=f"http://127.0.0.1:{closed_port}",
        )
        async with served(gateway.main.create_app(settings), protocol=ClientConnection) as live:
            yield live


async def test_tritonclient_lists_reads_metadata_and_infers_with_an_api_key(door: LiveApp) -> None:
    def run() -> subprocess.CompletedProcess[str]:
        command = [str(CLIENT), "-W", "ignore", "-c", PROGRAM, f"127.0.0.1:{door.port}", KEY]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - ours

    done = await asyncio.to_thread(run)
    assert done.returncode == 0, done.stderr
    assert "422" in done.stdout
    assert "carat: must be from" in done.stdout
    assert "tritonclient" not in sys.modules
