"""POST /predict, as a caller sees it."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from ml_predict.settings import MlPredictSettings
from ml_training.data import Split
from shared.identity.revocations import publish_end
from shared.redis import request_client
from shared.testing import LiveApp, TestIdentity, http_client

Diamond = dict[str, Any]


@pytest_asyncio.fixture(loop_scope="session")
async def caller(live: LiveApp, identity: TestIdentity) -> AsyncIterator[httpx2.AsyncClient]:
    async with http_client(live.url, headers=identity.headers(7)) as client:
        yield client


async def post(client: httpx2.AsyncClient, body: str | bytes) -> httpx2.Response:
    return await client.post("/predict", content=body, headers={"Content-Type": "application/json"})


async def test_an_anonymous_caller_is_refused(live: LiveApp, diamond: Diamond) -> None:
    answer = await live.client.post("/predict", json={"instances": [diamond]})
    assert (answer.status_code, answer.json()["code"]) == (401, "token_missing")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("changed", [{"exp": 1}, {"aud": "elsewhere"}, {"sub": None}, {"iss": "nobody"}])
async def test_a_token_that_is_not_valid_is_refused(
    live: LiveApp, identity: TestIdentity, diamond: Diamond, changed: dict[str, Any]
) -> None:
    headers = identity.headers(7, **changed)
    answer = await live.client.post("/predict", json={"instances": [diamond]}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")


async def test_a_session_that_has_ended_is_refused(
    live: LiveApp,
    settings: MlPredictSettings,
    identity: TestIdentity,
    diamond: Diamond,
    eventually: Callable[..., Any],
) -> None:
    headers = identity.headers(8, sid="ended")

    async def status() -> int:
        answer = await live.client.post("/predict", json={"instances": [diamond]}, headers=headers)
        return answer.status_code

    assert await status() == 200
    redis = request_client(settings)
    await publish_end(redis, ["ended"], 900)
    await redis.aclose()
    await eventually(status, 401)


async def test_a_diamond_has_an_estimate_an_interval_and_the_models_name(
    caller: httpx2.AsyncClient, diamond: Diamond, predict: Callable[..., Any]
) -> None:
    answer = await caller.post("/predict", json={"instances": [diamond]})
    assert answer.status_code == 200
    assert answer.json() == {
        "model": {"name": "diamond-price", "version": "1"},
        "predictions": predict([diamond]),
    }


@pytest.mark.parametrize("count", [1, 16, 17, 100, 1000])
async def test_every_size_of_batch_is_priced_in_order(
    caller: httpx2.AsyncClient, predict: Callable[..., Any], parts: Split, count: int
) -> None:
    rows: list[Any] = parts.held_out.drop(columns="price").head(count).to_dict("records")
    answer = await caller.post("/predict", json={"instances": rows})
    assert answer.status_code == 200
    assert answer.json()["predictions"] == predict(rows)


async def test_a_thousand_diamonds_fit_the_body_limit_at_full_precision_and_indented(
    caller: httpx2.AsyncClient, diamond: Diamond, settings: MlPredictSettings
) -> None:
    precise = {
        name: value + 0.0123456789012345 if isinstance(value, float) else value
        for name, value in diamond.items()
    }
    body = json.dumps({"instances": [precise] * 1000}, indent=8)
    assert len(body) < settings.body_limit / 2
    answer = await post(caller, body)
    assert answer.status_code == 200
    assert len(answer.json()["predictions"]) == 1000


async def test_a_larger_body_is_refused_before_it_is_read(
    caller: httpx2.AsyncClient, settings: MlPredictSettings
) -> None:
    answer = await post(caller, b" " * (settings.body_limit + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "content_too_large")


async def test_a_refusal_has_the_positions_of_all_rows_that_do_not_fit(
    caller: httpx2.AsyncClient, diamond: Diamond
) -> None:
    bad = [
        diamond | {"carat": -1},
        diamond | {"cut": "x"},
        diamond | {"carat": True},
        diamond | {"more": 1},
        7,
    ]
    answer = await caller.post("/predict", json={"instances": [diamond, *bad, diamond | {"carat": 1}]})
    assert (answer.status_code, answer.json()["refused_instances"]) == (422, [1, 2, 3, 4, 5])
    for faulty in ({"instances": []}, {"instances": 7}, {"instances": [diamond], "explain": 7}):
        assert "refused_instances" not in (await caller.post("/predict", json=faulty)).json()


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("carat", "NaN", "finite_number"),
        ("carat", "Infinity", "finite_number"),
        ("carat", "-1e400", "finite_number"),
        ("carat", "1" + "0" * 400, "finite_number"),
        ("carat", "0", "greater_than"),
        ("carat", "20.01", "less_than_equal"),
        ("carat", '"0.7"', "float_type"),
        ("carat", "true", "float_type"),
        ("carat", "null", "float_type"),
        ("carat", "[0.7]", "float_type"),
        ("cut", '"Superb"', "literal_error"),
        ("cut", '"Ideal\\u0000"', "literal_error"),
        ("color", "{}", "literal_error"),
    ],
)
async def test_a_bad_value_is_422_and_the_field_is_named(
    caller: httpx2.AsyncClient, diamond: Diamond, field: str, value: str, kind: str
) -> None:
    body = json.dumps({"instances": [diamond | {field: "HERE"}]}).replace('"HERE"', value)
    answer = await post(caller, body)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "validation_error")
    assert problem["errors"][0]["loc"] == ["body", "instances", 0, field]
    assert problem["errors"][0]["type"] == kind
    assert problem["detail"].startswith(f"body.instances.0.{field}: ")


async def test_one_bad_diamond_refuses_its_batch_and_is_named(
    caller: httpx2.AsyncClient, diamond: Diamond
) -> None:
    rows = [diamond] * 500 + [diamond | {"clarity": "XX"}] + [diamond] * 99
    answer = await caller.post("/predict", json={"instances": rows})
    assert answer.status_code == 422
    assert [error["loc"] for error in answer.json()["errors"]] == [["body", "instances", 500, "clarity"]]


@pytest.mark.parametrize("field", ["carat", "cut", "z"])
async def test_a_missing_feature_is_named(caller: httpx2.AsyncClient, diamond: Diamond, field: str) -> None:
    del diamond[field]
    answer = await caller.post("/predict", json={"instances": [diamond]})
    assert answer.status_code == 422
    assert answer.json()["detail"] == f"body.instances.0.{field}: Field required"


@pytest.mark.parametrize(
    "body",
    [
        *("{}", "[]", "null", "1", '"x"', '{"rows": []}'),
        *(f'{{"instances": {rows}}}' for rows in ("[]", "null", "{}", "[1]", "[[]]", "true")),
    ],
)
async def test_a_body_of_another_shape_is_422(caller: httpx2.AsyncClient, body: str) -> None:
    answer = await post(caller, body)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_error")


async def test_a_thousand_and_one_are_too_many(caller: httpx2.AsyncClient, diamond: Diamond) -> None:
    answer = await caller.post("/predict", json={"instances": [diamond] * 1001})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["body", "instances"]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"{'instances': []}", b"[" * 100_000, b"9" * 5000])
async def test_a_body_that_is_no_json_is_the_callers_fault(caller: httpx2.AsyncClient, body: bytes) -> None:
    answer = await post(caller, body)
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_body_of_another_type_is_422(caller: httpx2.AsyncClient, diamond: Diamond) -> None:
    body = json.dumps({"instances": [diamond]})
    answer = await caller.post("/predict", content=body, headers={"Content-Type": "text/plain"})
    assert answer.status_code == 422


async def test_half_a_surrogate_pair_is_no_json(caller: httpx2.AsyncClient, diamond: Diamond) -> None:
    body = json.dumps({"instances": [diamond | {"cut": "HERE"}]}).replace("HERE", "\\ud800")
    answer = await post(caller, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")


@pytest.mark.parametrize("name", ["polish", "\\u0000", ""])
async def test_an_unknown_field_is_refused_whatever_its_name(
    caller: httpx2.AsyncClient, diamond: Diamond, name: str
) -> None:
    body = json.dumps({"instances": [diamond]})[:-3] + f', "{name}": 1}}]}}'
    answer = await post(caller, body)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_error")


async def test_what_was_sent_is_never_sent_back(caller: httpx2.AsyncClient, diamond: Diamond) -> None:
    answer = await caller.post("/predict", json={"instances": [diamond | {"cut": "my-secret"}]})
    assert answer.status_code == 422
    assert "my-secret" not in answer.text


async def test_reading_predictions_is_not_a_thing(caller: httpx2.AsyncClient) -> None:
    answer = await caller.get("/predict")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


async def test_the_schema_tells_units_and_grades(live: LiveApp) -> None:
    document = (await live.client.get("/openapi.json")).json()
    features = document["components"]["schemas"]["DiamondPriceInstance"]["properties"]
    assert features["cut"]["enum"] == ["Fair", "Good", "Very Good", "Premium", "Ideal"]
    assert "mm" in features["x"]["description"]
    assert features["carat"]["exclusiveMinimum"] == 0
    asked = document["paths"]["/predict"]["post"]
    assert asked["security"]
    items = asked["requestBody"]["content"]["application/json"]["schema"]["properties"]["instances"]["items"]
    assert items == {"$ref": "#/components/schemas/DiamondPriceInstance"}


async def test_the_schema_names_models_that_are_there(caller: httpx2.AsyncClient) -> None:
    document = (await caller.get("/openapi.json")).json()
    operation = document["paths"]["/v2/models/{model}"]["get"]
    [named] = [each["schema"]["examples"] for each in operation["parameters"] if each["name"] == "model"]
    assert named == ["diamond-price", "digits"]
    for name in named:
        assert (await caller.get(f"/v2/models/{name}")).status_code == 200


async def test_a_model_can_be_named_and_one_that_is_not_there_is_404(
    caller: httpx2.AsyncClient, diamond: Diamond, predict: Callable[..., Any]
) -> None:
    answer = await caller.post("/predict/diamond-price", json={"instances": [diamond]})
    assert (answer.status_code, answer.json()["predictions"]) == (200, predict([diamond]))
    missing = await caller.post("/predict/ruby-price", json={"instances": [diamond]})
    assert (missing.status_code, missing.json()["code"]) == (404, "model_not_found")


async def test_a_model_of_many_values_is_asked_by_name(caller: httpx2.AsyncClient) -> None:
    answer = await caller.post(
        "/predict/digits", json={"instances": [{"pixels": [0] * 64}, {"pixels": [9] * 64}]}
    )
    assert answer.status_code == 200
    assert answer.json()["model"] == {"name": "digits", "version": "1"}
    for prediction in answer.json()["predictions"]:
        assert prediction["digit"] in range(10)
        assert sum(prediction["probabilities"]) == pytest.approx(1, abs=1e-4)
