"""POST /items/{id}/appraisal, against a real server that plays ml-predict, well and badly."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse

from items.main import create_app
from items.settings import ItemsSettings
from shared.testing import LiveApp, TestIdentity, served

from .conftest import ALICE, BOB, PATIENT, Body, Create
from .upstream import MODEL, PRICE, Upstream, always, well

HASTY = 0.2  # seconds

Appraise = Callable[..., Awaitable[httpx2.Response]]


def appraiser_of(market: LiveApp, identity: TestIdentity) -> Appraise:
    async def appraise(item_id: int, caller: int = BOB) -> httpx2.Response:
        return await market.client.post(f"/items/{item_id}/appraisal", headers=identity.headers(caller))

    return appraise


@pytest.fixture
def appraise(market: LiveApp, identity: TestIdentity, upstream: Upstream) -> Appraise:
    return appraiser_of(market, identity)


@contextlib.asynccontextmanager
async def asking(
    settings: ItemsSettings, identity: TestIdentity, url: str, patience: float
) -> AsyncIterator[Appraise]:
    """The service, pointed at `url`; `patience` is seconds."""
    changes = {"ml_predict_url": url, "appraisal_timeout": patience}
    async with served(create_app(settings.model_copy(update=changes))) as live:
        yield appraiser_of(live, identity)


@pytest_asyncio.fixture(loop_scope="session")
async def stone(create: Create, diamond: Body) -> int:
    item_id: int = (await create(features=diamond))["id"]
    return item_id


def said(answer: httpx2.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


# Answers


async def test_an_anonymous_caller_gets_no_appraisal(market: LiveApp, upstream: Upstream, stone: int) -> None:
    assert said(await market.client.post(f"/items/{stone}/appraisal")) == (401, "token_missing")
    assert upstream.asked == []


@pytest.mark.parametrize("caller", [ALICE, BOB])
async def test_any_caller_has_a_diamond_appraised_in_exact_dollars(
    appraise: Appraise, stone: int, caller: int
) -> None:
    answer = await appraise(stone, caller)
    assert answer.status_code == 200
    assert answer.json() == {
        "item_id": stone,
        "estimate": "2829.62",
        "low": "2490.40",
        "high": "3214.00",
        "currency": "USD",
        "model": MODEL,
        "appraised_at": answer.json()["appraised_at"],
    }
    age = datetime.now(UTC) - datetime.fromisoformat(answer.json()["appraised_at"])
    assert timedelta() <= age < timedelta(minutes=1)


async def test_ml_predict_is_asked_with_the_features_in_the_callers_name_and_with_the_requests_ids(
    market: LiveApp, identity: TestIdentity, upstream: Upstream, stone: int, diamond: Body
) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = identity.headers(BOB) | {
        "X-Request-ID": "from-outside",
        "traceparent": f"00-{trace}-00f067aa0ba902b7-01",
    }
    await market.client.post(f"/items/{stone}/appraisal", headers=headers)
    ((sent, body),) = upstream.asked
    assert body == {"instances": [diamond]}
    assert sent["authorization"] == headers["Authorization"]
    assert sent["x-request-id"] == "from-outside"
    assert sent["traceparent"].split("-")[1] == trace


async def test_a_listing_that_is_not_there_cannot_be_appraised(
    appraise: Appraise, upstream: Upstream
) -> None:
    assert said(await appraise(999_999_999)) == (404, "item_not_found")
    assert upstream.asked == []


async def test_a_listing_without_features_cannot_be_appraised_and_the_answer_says_why(
    appraise: Appraise, upstream: Upstream, create: Create
) -> None:
    item = await create(name="A ruby")
    answer = await appraise(item["id"])
    assert said(answer) == (422, "not_appraisable")
    assert "no features" in answer.json()["detail"]
    assert answer.json()["item_id"] == item["id"]
    assert upstream.asked == []


@pytest.mark.parametrize("item_id", [0, 2**63, "x", "%00"])
async def test_an_id_that_cannot_be_is_422(appraise: Appraise, item_id: Any) -> None:
    assert said(await appraise(item_id)) == (422, "validation_error")


# Wrong answers


@pytest.mark.parametrize("status", [400, 403, 404, 413, 422, 429, 500, 502, 504])
async def test_a_refusal_or_an_error_of_ml_predict_is_502(
    appraise: Appraise, upstream: Upstream, stone: int, status: int
) -> None:
    upstream.play = always(JSONResponse({"detail": "internal address 10.0.0.7"}, status))
    answer = await appraise(stone)
    assert said(answer) == (502, "appraisal_failed")
    assert "10.0.0.7" not in answer.text


async def test_a_token_that_ml_predict_refuses_is_refused(
    appraise: Appraise, upstream: Upstream, stone: int
) -> None:
    upstream.play = always(JSONResponse({"code": "token_invalid"}, 401))
    answer = await appraise(stone)
    assert said(answer) == (401, "token_invalid")
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


@pytest.mark.parametrize(("asked", "told"), [("7", "7"), ("soon", "1"), (None, "1")])
async def test_a_busy_ml_predict_is_503_and_says_when_to_come_back(
    appraise: Appraise, upstream: Upstream, stone: int, asked: str | None, told: str
) -> None:
    headers = {} if asked is None else {"Retry-After": asked}
    upstream.play = always(JSONResponse({"code": "overloaded"}, 503, headers=headers))
    answer = await appraise(stone)
    assert said(answer) == (503, "appraisal_unavailable")
    assert answer.headers["retry-after"] == told


async def test_a_crash_of_ml_predict_is_502(appraise: Appraise, upstream: Upstream, stone: int) -> None:
    async def crash(_: Request) -> Response:
        raise ZeroDivisionError

    upstream.play = crash
    assert said(await appraise(stone)) == (502, "appraisal_failed")


def answer_with(**changes: Any) -> str:
    return json.dumps({"model": MODEL, "predictions": [PRICE]} | changes)


@pytest.mark.parametrize(
    "body",
    [
        *("", "null", "[]", "{}", "<html></html>", '{"model":', "\udc80", "[" * 100_000, answer_with()[:-1]),
        *(answer_with(predictions=rows) for rows in ([], [PRICE, PRICE], None, {}, [None], [[]])),
        *(answer_with(model=model) for model in (None, "diamond-price", {}, {"name": "m", "version": 1})),
        *(
            answer_with(predictions=[PRICE | {"low": low}])
            for low in (None, "cheap", True, 0, -1, float("nan"), float("inf"), 1e10, 10**400, [])
        ),
    ],
)
async def test_an_answer_that_makes_no_sense_is_502(
    appraise: Appraise, upstream: Upstream, stone: int, body: str
) -> None:
    upstream.play = always(Response(body.encode(errors="surrogateescape"), media_type="application/json"))
    assert said(await appraise(stone)) == (502, "appraisal_failed")


@pytest.mark.parametrize(
    "response",
    [
        RedirectResponse("/elsewhere"),
        Response(status_code=204),
        PlainTextResponse("no gzip", headers={"Content-Encoding": "gzip"}),
    ],
    ids=["redirect", "nothing", "broken encoding"],
)
async def test_an_answer_of_another_kind_is_502(
    appraise: Appraise, upstream: Upstream, stone: int, response: Response
) -> None:
    upstream.play = always(response)
    assert said(await appraise(stone)) == (502, "appraisal_failed")


async def test_an_answer_that_is_cut_off_is_502(appraise: Appraise, upstream: Upstream, stone: int) -> None:
    async def half() -> AsyncIterator[bytes]:
        yield answer_with().encode()[:20]
        raise ConnectionResetError

    upstream.play = always(StreamingResponse(half(), headers={"Content-Length": "100"}))
    assert said(await appraise(stone)) == (502, "appraisal_failed")


async def test_after_a_bad_answer_the_next_good_one_is_passed_on(
    appraise: Appraise, upstream: Upstream, stone: int
) -> None:
    upstream.play = always(PlainTextResponse("no"))
    assert (await appraise(stone)).status_code == 502
    upstream.play = well
    assert (await appraise(stone)).status_code == 200


# No answers


@pytest.mark.parametrize("greeting", [b"", b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 200 OK\r\nContent-Le"])
async def test_a_connection_that_is_closed_without_an_answer_is_502(
    settings: ItemsSettings, identity: TestIdentity, stone: int, greeting: bytes
) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(greeting)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, asking(settings, identity, f"http://127.0.0.1:{port}", PATIENT) as appraise:
        assert said(await appraise(stone)) == (502, "appraisal_failed")


async def test_where_nobody_listens_it_is_503_and_may_be_tried_again(
    settings: ItemsSettings, identity: TestIdentity, stone: int, closed_port: int
) -> None:
    async with asking(settings, identity, f"http://127.0.0.1:{closed_port}", PATIENT) as appraise:
        answer = await appraise(stone)
    assert said(answer) == (503, "appraisal_unavailable")
    assert answer.headers["retry-after"] == "1"


async def test_an_answer_that_does_not_come_is_504(
    settings: ItemsSettings, identity: TestIdentity, upstream: Upstream, stone: int
) -> None:
    upstream.play = upstream.hold
    async with asking(settings, identity, upstream.url, HASTY) as appraise:
        assert said(await appraise(stone)) == (504, "appraisal_timeout")


async def test_an_answer_that_never_ends_is_504_though_each_piece_is_on_time(
    settings: ItemsSettings, identity: TestIdentity, upstream: Upstream, stone: int
) -> None:
    async def drip() -> AsyncIterator[bytes]:
        while not upstream.held.is_set():
            yield b" "
            await asyncio.sleep(HASTY / 20)

    async def dripping(_: Request) -> Response:
        return StreamingResponse(drip())

    upstream.play = dripping
    async with asking(settings, identity, upstream.url, HASTY) as appraise:
        assert said(await appraise(stone)) == (504, "appraisal_timeout")


async def test_a_slow_model_takes_no_database_connection_from_anybody(
    market: LiveApp,
    appraise: Appraise,
    upstream: Upstream,
    stone: int,
    eventually: Callable[..., Awaitable[None]],
) -> None:
    upstream.play = upstream.hold
    waiting = [asyncio.create_task(appraise(stone)) for _ in range(12)]
    await eventually(lambda: len(upstream.asked), 12)
    listed = await asyncio.gather(*(market.client.get("/items") for _ in range(5)))
    assert [answer.status_code for answer in listed] == [200] * 5  # of the one connection for searches
    assert not any(task.done() for task in waiting)
    upstream.held.set()
    assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [200] * 12


async def test_more_who_ask_than_connections_there_are_get_504_and_not_forever_nothing(
    settings: ItemsSettings, identity: TestIdentity, upstream: Upstream, stone: int
) -> None:
    upstream.play = upstream.hold
    async with asking(settings, identity, upstream.url, HASTY) as appraise:
        answers = await asyncio.gather(*(appraise(stone) for _ in range(80)))
    assert {said(answer) for answer in answers} == {(504, "appraisal_timeout")}


async def test_a_listing_that_is_deleted_while_it_is_appraised_still_gets_its_answer(
    appraise: Appraise,
    alice: httpx2.AsyncClient,
    upstream: Upstream,
    stone: int,
    eventually: Callable[..., Awaitable[None]],
) -> None:
    upstream.play = upstream.hold
    waiting = asyncio.create_task(appraise(stone))
    await eventually(lambda: len(upstream.asked), 1)
    assert (await alice.delete(f"/items/{stone}")).status_code == 204
    upstream.held.set()
    assert (await waiting).status_code == 200
