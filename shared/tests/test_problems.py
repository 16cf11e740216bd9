"""Every error is an RFC 9457 document that says what the caller may know and no more."""

import json
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Annotated, Any, ClassVar

import httpx2
import pytest
import pytest_asyncio
import redis.exceptions
from fastapi import APIRouter, Form, HTTPException
from pydantic import BaseModel, ConfigDict, SecretStr

from shared.exceptions import (
    BadGateway,
    BadRequest,
    Conflict,
    Forbidden,
    GatewayTimeout,
    MethodNotAllowed,
    NotFound,
    ServiceError,
    Unauthenticated,
    Unavailable,
    Unprocessable,
)
from shared.testing import LiveApp, served

router = APIRouter()
REGISTERED: dict[str, Exception] = {}


class RingNotFound(NotFound):
    code, title = "ring_not_found", "No such ring"


class RingSold(Conflict):
    code, title = "ring_sold", "This ring was sold"
    advice = "Choose another ring."


class Teapot(ServiceError):
    status, code, title = 418, "teapot", "A teapot"
    headers: ClassVar[dict[str, str]] = {"X-Handle": "left"}


class SignUp(BaseModel):
    model_config = ConfigDict(extra="forbid")

    email: str
    password: SecretStr
    age: int = 0


@router.post("/sign-up")
async def sign_up(body: SignUp) -> str:
    return body.email


@router.post("/form")
async def fill_in(name: Annotated[str, Form()]) -> str:
    return name


@router.get("/raise/{name}")
async def raise_it(name: str) -> None:
    raise REGISTERED[name]


@router.get("/wrong-answer")
async def answer_wrongly() -> int:
    return "hush-not-a-number"  # type: ignore[return-value]  # what the test is about


@pytest_asyncio.fixture(loop_scope="session")
async def live(make_app: Callable[..., Any]) -> AsyncIterator[LiveApp]:
    async with served(make_app(router)) as live:
        yield live


async def raised(live: LiveApp, error: Exception) -> httpx2.Response:
    REGISTERED["it"] = error
    return await live.client.get("/raise/it", headers={"X-Request-ID": "mine"})


def post_json(live: LiveApp, body: bytes | str, kind: str = "application/json") -> Any:
    return live.client.post("/sign-up", content=body, headers={"Content-Type": kind})


async def test_a_problem_has_all_its_members(live: LiveApp) -> None:
    answer = await raised(live, RingNotFound("There is no ring 7.", ring_id=7))
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "urn:facet:problem:ring_not_found",
        "title": "No such ring",
        "status": 404,
        "detail": "There is no ring 7.",
        "instance": "/raise/it",
        "code": "ring_not_found",
        "request_id": "mine",
        "ring_id": 7,
    }


async def test_a_case_without_detail_says_what_its_class_advises(live: LiveApp) -> None:
    assert (await raised(live, RingSold())).json()["detail"] == "Choose another ring."
    assert (await raised(live, RingSold("It went to Bree."))).json()["detail"] == "It went to Bree."


async def test_a_problem_without_detail_has_no_such_member(live: LiveApp) -> None:
    assert "detail" not in (await raised(live, RingNotFound())).json()


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BadRequest(), 400),
        (Unauthenticated(), 401),
        (Forbidden(), 403),
        (NotFound(), 404),
        (MethodNotAllowed(), 405),
        (Conflict(), 409),
        (Unprocessable(), 422),
        (ServiceError(), 500),
        (BadGateway(), 502),
        (Unavailable(), 503),
        (GatewayTimeout(), 504),
        (Teapot(), 418),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
async def test_each_error_has_its_status_code_and_headers(
    live: LiveApp, error: ServiceError, status: int
) -> None:
    answer = await raised(live, error)
    assert answer.status_code == status == answer.json()["status"]
    assert answer.json()["code"] == error.code
    assert error.headers.items() <= {**answer.headers, "X-Handle": "left", **error.headers}.items()
    assert all(answer.headers[name] == value for name, value in error.headers.items())


async def test_members_of_any_type_can_be_told(live: LiveApp) -> None:
    answer = await raised(live, NotFound(price=Decimal("1.50"), far=2**80, half="\ud800"))
    assert answer.status_code == 404
    assert (answer.json()["price"], answer.json()["far"]) == ("1.50", 2**80)


async def test_an_unexpected_error_is_500_and_says_nothing(
    live: LiveApp, log_lines: Callable[[], list[dict[str, Any]]]
) -> None:
    answer = await raised(live, LookupError("hush-row"))
    assert answer.status_code == 500
    assert set(answer.json()) == {"type", "title", "status", "instance", "code", "request_id"}
    assert answer.json()["request_id"] == "mine"
    assert "hush" not in answer.text
    (line,) = [line for line in log_lines() if line["event"] == "unexpected_error"]
    assert line["request_id"] == "mine"
    assert line["exception"][0]["exc_type"] == "LookupError"


async def test_an_answer_that_breaks_its_promise_is_500(live: LiveApp) -> None:
    answer = await live.client.get("/wrong-answer")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "hush" not in answer.text


async def test_our_own_failures_are_logged_with_their_cause(
    live: LiveApp, log_lines: Callable[[], list[dict[str, Any]]]
) -> None:
    error = BadGateway("The appraiser spoke nonsense.")
    error.__cause__ = LookupError("why")
    await raised(live, error)
    await raised(live, NotFound())
    lines = [line for line in log_lines() if line["event"] == "request_failed"]
    assert [(line["code"], line["cause"]) for line in lines] == [("bad_gateway", "LookupError('why')")]


async def test_an_unknown_path_is_404(live: LiveApp) -> None:
    answer = await live.client.get("/nowhere")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.json()["instance"] == "/nowhere"


async def test_a_trailing_slash_is_another_path(live: LiveApp) -> None:
    answer = await live.client.get("/health/")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


async def test_a_wrong_method_is_405_and_names_the_right_one(live: LiveApp) -> None:
    answer = await live.client.delete("/sign-up")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize("body", [b"{", b"{'email': 1}", b'{"email": "a",}', b"nul", b"{\x00}"])
async def test_malformed_json_is_400(live: LiveApp, body: bytes) -> None:
    answer = await post_json(live, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")


@pytest.mark.parametrize(
    "body",
    [b'{"email": "\xff\xfe"}', b"[" * 100_000, b'{"age": ' + b"9" * 5000 + b"}"],
    ids=["no-utf-8", "too-deep", "too-long-a-number"],
)
async def test_json_that_cannot_be_read_is_400(live: LiveApp, body: bytes) -> None:
    answer = await post_json(live, body)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/x-www-form-urlencoded", ""])
async def test_a_wrong_content_type_is_422(live: LiveApp, kind: str) -> None:
    answer = await post_json(live, '{"email": "a", "password": "hush"}', kind)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_error")
    assert "hush" not in answer.text


@pytest.mark.parametrize(
    "body",
    [
        {"email": 1, "password": "hush-1"},
        {"password": "hush-2"},
        {"email": "a", "password": ["hush-3"]},
        {"email": "a", "password": "hush-4", "age": "hush-5"},
        ["hush-6"],
        "hush-7",
    ],
)
async def test_422_never_repeats_what_was_sent(live: LiveApp, body: Any) -> None:
    answer = await live.client.post("/sign-up", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"]
    assert "hush" not in answer.text


async def test_422_names_each_field(live: LiveApp) -> None:
    answer = await live.client.post("/sign-up", json={"age": "x"})
    errors = answer.json()["errors"]
    assert [error["loc"] for error in errors] == [["body", "email"], ["body", "password"], ["body", "age"]]
    assert all(set(error) == {"loc", "message", "type"} for error in errors)
    assert "body.email: Field required" in answer.json()["detail"]


async def test_422_of_a_form_names_the_field(live: LiveApp) -> None:
    answer = await live.client.post("/form", data={"other": "hush"})
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["body", "name"])


async def test_a_field_whose_name_is_no_text_is_still_422(live: LiveApp) -> None:
    """Half a surrogate pair is valid in JSON and in Python, but not in UTF-8."""
    answer = await post_json(live, json.dumps({"email": "a", "password": "b", "\ud800": 1}))
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_error")


async def test_422_stays_short_however_much_is_wrong(live: LiveApp) -> None:
    answer = await live.client.post("/sign-up", json={f"x{number}": 1 for number in range(5000)})
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == 50


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (redis.exceptions.ConnectionError("hush"), 503, "redis_unavailable"),
        (redis.exceptions.TimeoutError("hush"), 503, "redis_unavailable"),
        (redis.exceptions.BusyLoadingError("hush"), 503, "redis_unavailable"),
        (redis.exceptions.OutOfMemoryError("hush"), 503, "redis_unavailable"),
        (redis.exceptions.ResponseError("WRONGTYPE hush"), 500, "internal_error"),
        (redis.exceptions.DataError("hush"), 500, "internal_error"),
        (TimeoutError("hush"), 500, "internal_error"),
        (OSError("hush"), 500, "internal_error"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
async def test_what_is_gone_is_503_and_what_is_wrong_is_500(
    live: LiveApp, error: Exception, status: int, code: str
) -> None:
    answer = await raised(live, error)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert ("retry-after" in answer.headers) == (status == 503)
    assert "hush" not in answer.text


async def test_an_http_exception_keeps_its_detail_and_headers(live: LiveApp) -> None:
    answer = await raised(live, HTTPException(409, "Taken.", {"X-By": "me"}))
    assert (answer.status_code, answer.json()["code"], answer.json()["detail"]) == (409, "conflict", "Taken.")
    assert answer.headers["x-by"] == "me"


async def test_the_openapi_document_shows_problems(live: LiveApp) -> None:
    document = (await live.client.get("/openapi.json")).json()
    assert document["paths"]["/sign-up"]["post"]["responses"]["default"]
    assert "request_id" in document["components"]["schemas"]["Problem"]["properties"]
