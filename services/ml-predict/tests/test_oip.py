"""The Open Inference Protocol, as the conformance suite and as a caller sees it."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from oip_check.__main__ import main
from oip_check.checks import BINARY, CORE, Check
from oip_check.server import LENGTH, Server
from shared.testing import NO_TLS, LiveApp, TestIdentity, http_client

ROW = [0.7, 4.0, 3.0, 3.0, 61.8, 56.0, 5.7, 5.72, 3.53]
MODEL = "diamond-price"
INFER = f"/v2/models/{MODEL}/infer"


@pytest_asyncio.fixture(loop_scope="session")
async def caller(live: LiveApp, identity: TestIdentity) -> AsyncIterator[httpx2.AsyncClient]:
    async with http_client(live.url, headers=identity.headers(7)) as client:
        yield client


def tensor(**changed: Any) -> dict[str, Any]:
    return {"name": "features", "datatype": "FP32", "shape": [1, 9], "data": ROW} | changed


@pytest.mark.parametrize("check", [*CORE, *BINARY], ids=lambda check: check.__name__)
async def test_the_conformance_suite_passes(live: LiveApp, identity: TestIdentity, check: Check) -> None:
    def run() -> None:
        headers = identity.headers(7)
        with httpx2.Client(base_url=live.url, headers=headers, timeout=20, verify=NO_TLS) as client:
            check(Server(client, MODEL, {"features": ROW}))

    await asyncio.to_thread(run)


async def test_the_suites_command_says_how_many_checks_passed(
    live: LiveApp, identity: TestIdentity, capsys: pytest.CaptureFixture[str]
) -> None:
    token = identity.headers(7)["Authorization"]
    given = [live.url, "--header", f"Authorization: {token}", "--example", json.dumps({"features": ROW})]
    assert await asyncio.to_thread(main, [*given, "--model", MODEL]) == 0
    assert f"{len(CORE) + len(BINARY)} of {len(CORE) + len(BINARY)} checks passed" in capsys.readouterr().out
    assert await asyncio.to_thread(main, [*given, "--model", "ruby-price"]) == 1
    assert "FAILED  model is ready" in capsys.readouterr().out


@pytest.mark.parametrize("path", ["", "/models/diamond-price", "/models/diamond-price/ready"])
async def test_an_anonymous_caller_is_refused(live: LiveApp, path: str) -> None:
    answer = await live.client.get(f"/v2{path}")
    assert (answer.status_code, answer.json()["code"]) == (401, "token_missing")


async def test_tensors_and_named_features_give_the_same_prices(
    caller: httpx2.AsyncClient, diamond: dict[str, Any]
) -> None:
    named = (await caller.post("/predict", json={"instances": [diamond]})).json()["predictions"][0]
    answer = await caller.post(INFER, json={"inputs": [tensor()], "outputs": [{"name": "prices"}]})
    (prices,) = answer.json()["outputs"]
    assert prices["shape"] == [1, 3]
    assert [round(price, 2) for price in prices["data"]] == [named["estimate"], named["low"], named["high"]]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([0, *ROW[1:]], "body.inputs.0.carat: must be from"),
        ([21, *ROW[1:]], "body.inputs.0.carat: must be from"),
        ([ROW[0], 5, *ROW[2:]], "body.inputs.0.cut: must be a whole number from 0 to 4"),
        ([ROW[0], 1.5, *ROW[2:]], "body.inputs.0.cut: must be a whole number from 0 to 4"),
        ([ROW[0], -1, *ROW[2:]], "body.inputs.0.cut: must be a whole number from 0 to 4"),
        ([1e39, *ROW[1:]], "body.inputs.features.data: must fit FP32"),
        ([None, *ROW[1:]], "body.inputs.features.data: must be FP32"),
        ([True, False] * 4 + [True], "body.inputs.features.data: must be FP32"),
        ([[0.7], *ROW[1:]], "body.inputs.features.data: rows must have one length"),
    ],
)
async def test_a_value_that_the_card_rules_out_is_named(
    caller: httpx2.AsyncClient, data: list[Any], said: str
) -> None:
    answer = await caller.post(INFER, json={"inputs": [tensor(data=data)]})
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(said)
    assert answer.json()["error"] == answer.json()["detail"]


@pytest.mark.parametrize("value", [b"\x00\x00\xc0\x7f", b"\x00\x00\x80\x7f"], ids=["NaN", "infinity"])
async def test_nan_and_infinity_are_refused_in_binary_too(caller: httpx2.AsyncClient, value: bytes) -> None:
    described = tensor(parameters={"binary_data_size": 36})
    del described["data"]
    head = json.dumps({"inputs": [described]}).encode()
    answer = await caller.post(INFER, content=head + value * 9, headers={LENGTH: str(len(head))})
    assert answer.status_code == 422
    assert "carat" in answer.json()["error"]


@pytest.mark.parametrize(
    "shape", [[0, 9], [2**40, 9], [9], [1, 9, 1], [1, 9.0], [1, True], "1,9", None, [1] * 99, [[1], 9]]
)
async def test_a_shape_that_cannot_be_is_refused(caller: httpx2.AsyncClient, shape: Any) -> None:
    answer = await caller.post(INFER, json={"inputs": [tensor(shape=shape)]})
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("body.inputs.features.shape: ")


@pytest.mark.parametrize("length", ["", "x", "-1", "9" * 30, "٣"])
async def test_a_header_length_that_is_no_number_is_refused(caller: httpx2.AsyncClient, length: str) -> None:
    headers = [(LENGTH.encode(), length.encode())]
    answer = await caller.post(INFER, content=b"{}", headers=headers)
    assert answer.status_code in {400, 422}


async def test_a_compressed_body_is_refused(caller: httpx2.AsyncClient) -> None:
    answer = await caller.post(INFER, content=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["code"]) == (415, "encoding_unsupported")


async def test_metadata_says_what_was_measured_and_what_follows(caller: httpx2.AsyncClient) -> None:
    costs = {}
    for model in (MODEL, "digits"):
        costs[model] = (await caller.get(f"/v2/models/{model}")).json()["parameters"]
        assert costs[model]["one_row_us"] > 0
        assert costs[model]["batching"] in {"on", "off"}
    assert costs["digits"]["one_row_us"] > costs[MODEL]["one_row_us"]


async def test_digits_are_read_in_the_queue_and_a_time_that_is_too_short_is_503(
    caller: httpx2.AsyncClient,
) -> None:
    image = {"name": "pixels", "datatype": "FP32", "shape": [2, 64], "data": [0.0] * 128}
    path = "/v2/models/digits/infer"
    good, late = await asyncio.gather(
        caller.post(path, json={"inputs": [image]}),
        caller.post(path, json={"inputs": [image], "parameters": {"timeout": 1}}),
    )
    assert good.status_code == 200
    assert {each["name"]: each["shape"] for each in good.json()["outputs"]} == {
        "probabilities": [2, 10],
        "digit": [2],
    }
    assert (late.status_code, late.json()["code"]) == (503, "deadline_passed")
    assert late.headers["retry-after"] == "1"


async def test_the_index_lists_what_is_served(caller: httpx2.AsyncClient) -> None:
    answer = await caller.post("/v2/repository/index")
    assert {"name": MODEL, "version": "1", "state": "READY", "reason": ""} in answer.json()
