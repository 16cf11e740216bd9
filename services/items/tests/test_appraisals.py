"""Appraisals of a page, and how long one is remembered, against a real server that plays ml-predict."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import pytest
import pytest_asyncio
import sqlalchemy as sa
from starlette.responses import JSONResponse

from items.domain import Model
from items.factory import Factory
from items.models import ModelService
from items.tables import appraisals, default_model
from shared.database import Database
from shared.testing import LiveApp, TestIdentity

from .conftest import BOB, Body, Create
from .upstream import MODEL, Upstream, always, by, refusing

BUSY = JSONResponse({"code": "queue_full"}, 503, headers={"Retry-After": "7"})
Ids = list[int]


@pytest_asyncio.fixture(loop_scope="session")
async def bob_asks(
    market: LiveApp, identity: TestIdentity, upstream: Upstream, database: Database
) -> AsyncIterator[httpx2.AsyncClient]:
    """Bob, before anything is known of models."""
    async with database.transaction() as connection:
        await connection.execute(sa.delete(default_model))
    async with httpx2.AsyncClient(base_url=market.url, headers=identity.headers(BOB), timeout=20) as client:
        yield client


@pytest.fixture
def page(bob_asks: httpx2.AsyncClient) -> Callable[..., Awaitable[Body]]:
    async def appraised(*item_ids: int) -> Body:
        answer = await bob_asks.post("/appraisals", json={"item_ids": item_ids})
        assert answer.status_code == 200, answer.text
        found: Body = answer.json()
        return found

    return appraised


Page = Callable[..., Awaitable[Body]]


@pytest_asyncio.fixture(loop_scope="session")
async def stones(create: Create, diamond: Body) -> Ids:
    return [(await create(features={**diamond, "carat": carat}))["id"] for carat in (0.5, 0.7, 0.9)]


@pytest.fixture
def models(database: Database) -> ModelService:
    return Factory(database).models()


def versions(found: Body) -> dict[int, str]:
    return {one["item_id"]: one["model"]["version"] for one in found["appraisals"]}


def asked_carats(upstream: Upstream) -> list[list[float]]:
    """Of each request, which diamonds it was about, the smallest first: the table has no order."""
    asked = [sorted(one["carat"] for one in body["instances"]) for _, body in upstream.asked]
    upstream.asked.clear()
    return asked


async def age(database: Database, column: sa.Column[Any], hours: float) -> None:
    """Makes all rows of the column's table older."""
    changed = sa.update(column.table).values({column: column - sa.text(f"interval '{hours} hours'")})
    async with database.transaction() as connection:
        await connection.execute(changed)


# A page


async def test_a_page_is_one_request_to_ml_predict_and_each_listing_has_its_answer_in_order(
    page: Page, upstream: Upstream, stones: Ids, create: Create
) -> None:
    ruby = (await create(name="A ruby"))["id"]
    found = await page(stones[2], ruby, stones[0], 2**40, stones[1])
    assert [one["item_id"] for one in found["appraisals"]] == [stones[2], stones[0], stones[1]]
    assert [(one["item_id"], one["code"]) for one in found["missing"]] == [
        (ruby, "not_appraisable"),
        (2**40, "item_not_found"),
    ]
    [carats] = asked_carats(upstream)
    assert carats == [0.5, 0.7, 0.9]


async def test_each_diamond_of_a_page_has_its_own_price(page: Page, upstream: Upstream, stones: Ids) -> None:
    async def by_weight(request: Any) -> JSONResponse:
        carats = [one["carat"] for one in (await request.json())["instances"]]
        prices = [{"estimate": 1000 * c, "low": 900 * c, "high": 1100 * c} for c in carats]
        return JSONResponse({"model": MODEL, "predictions": prices})

    upstream.play = by_weight
    for _ in range(2):
        found = await page(*reversed(stones))
        assert [one["estimate"] for one in found["appraisals"]] == ["900.00", "700.00", "500.00"]
        assert [one["low"] for one in found["appraisals"]] == ["810.00", "630.00", "450.00"]


async def test_a_listing_that_is_named_twice_is_appraised_once(
    page: Page, upstream: Upstream, stones: Ids
) -> None:
    found = await page(stones[0], stones[0])
    assert len(found["appraisals"]) == 1
    assert asked_carats(upstream) == [[0.5]]


async def test_a_page_without_diamonds_asks_nobody(page: Page, upstream: Upstream, create: Create) -> None:
    ruby = (await create(name="A ruby"))["id"]
    assert [one["code"] for one in (await page(ruby))["missing"]] == ["not_appraisable"]
    assert upstream.asked == []


@pytest.mark.parametrize(
    "item_ids", [[], list(range(1, 102)), [0], [2**53], ["x"], None, [1.5], [True], ["1"]]
)
async def test_what_is_no_page_is_422(bob_asks: httpx2.AsyncClient, item_ids: Any) -> None:
    answer = await bob_asks.post("/appraisals", json={"item_ids": item_ids})
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_error")


async def test_an_anonymous_caller_gets_no_page(market: LiveApp, upstream: Upstream, stones: Ids) -> None:
    answer = await market.client.post("/appraisals", json={"item_ids": stones})
    assert (answer.status_code, answer.json()["code"]) == (401, "token_missing")
    assert upstream.asked == []


# Memory


async def test_what_the_default_model_has_said_is_remembered_for_pages_and_single_listings(
    page: Page, upstream: Upstream, stones: Ids, bob_asks: httpx2.AsyncClient, create: Create, diamond: Body
) -> None:
    first = await page(*stones)
    new = (await create(features=diamond | {"carat": 1.1}))["id"]
    upstream.asked.clear()
    again = await page(*stones, new)
    assert again["appraisals"][:3] == first["appraisals"]
    assert asked_carats(upstream) == [[1.1]]
    alone = await bob_asks.post(f"/items/{stones[0]}/appraisal")
    assert alone.json() == first["appraisals"][0]
    assert upstream.asked == []


async def test_another_default_version_makes_all_of_them_old_and_is_asked_once(
    page: Page, upstream: Upstream, stones: Ids, models: ModelService
) -> None:
    await page(*stones)
    await models.become(Model(MODEL["name"], "2"), 1)
    upstream.asked.clear()
    upstream.play = by("2")
    for _ in range(2):
        assert set(versions(await page(*stones)).values()) == {"2"}
    assert len(upstream.asked) == 1


async def test_events_may_come_twice_and_in_any_order(
    page: Page, upstream: Upstream, stones: Ids, models: ModelService
) -> None:
    upstream.play = by("3")
    for version, sequence in (("3", 30), ("2", 20), ("3", 30), ("1", 10)):
        await models.become(Model(MODEL["name"], version), sequence)
    await page(*stones)
    await page(*stones)
    assert len(upstream.asked) == 1


async def test_other_features_are_appraised_anew_and_other_changes_are_not(
    page: Page, upstream: Upstream, stones: Ids, alice: httpx2.AsyncClient, diamond: Body
) -> None:
    await page(*stones)
    upstream.asked.clear()
    await alice.patch(f"/items/{stones[0]}", json={"features": diamond | {"carat": 0.6}})
    await alice.patch(f"/items/{stones[1]}", json={"price": "7", "name": "Another name"})
    await page(*stones)
    assert asked_carats(upstream) == [[0.6]]


async def test_an_answer_for_features_that_changed_meanwhile_is_not_taken_for_the_new_ones(
    page: Page,
    upstream: Upstream,
    stones: Ids,
    alice: httpx2.AsyncClient,
    diamond: Body,
    eventually: Callable[..., Any],
) -> None:
    upstream.play = upstream.hold
    waiting = asyncio.create_task(page(stones[0]))
    await eventually(lambda: len(upstream.asked), 1)
    await alice.patch(f"/items/{stones[0]}", json={"features": diamond | {"carat": 0.6}})
    upstream.held.set()
    await waiting
    await page(stones[0])
    assert asked_carats(upstream) == [[0.5], [0.6]]


async def test_after_its_time_an_appraisal_is_made_anew_and_the_old_one_is_deleted(
    page: Page, upstream: Upstream, stones: Ids, database: Database
) -> None:
    await page(*stones)
    await age(database, appraisals.c.appraised_at, 25)
    upstream.asked.clear()
    await page(stones[0])
    assert asked_carats(upstream) == [[0.5]]
    service = Factory(database).appraisals(AnyAppraiser(), 24)  # type: ignore[arg-type]  # it asks nobody
    await service.forget()
    async with database.transaction() as connection:
        left = await connection.scalars(sa.select(appraisals.c.item_id).order_by(appraisals.c.item_id))
    assert left == [stones[0]]


class AnyAppraiser:
    timeout = 1.0


async def test_a_listing_that_is_deleted_has_no_appraisal_any_more(
    page: Page, stones: Ids, alice: httpx2.AsyncClient
) -> None:
    await page(*stones)
    await alice.delete(f"/items/{stones[0]}")
    found = await page(*stones)
    assert set(versions(found)) == set(stones[1:])
    assert found["missing"][0]["code"] == "item_not_found"


# Diamonds that the model refuses


async def test_a_diamond_that_the_model_refuses_does_not_take_its_page_with_it(
    page: Page, upstream: Upstream, stones: Ids, bob_asks: httpx2.AsyncClient
) -> None:
    upstream.play = refusing(0.5, 0.9)
    found = await page(*stones)
    assert list(versions(found)) == [stones[1]]
    assert [(one["item_id"], one["code"]) for one in found["missing"]] == [
        (stones[0], "appraisal_refused"),
        (stones[2], "appraisal_refused"),
    ]
    assert asked_carats(upstream) == [[0.5, 0.7, 0.9], [0.7]]
    alone = await bob_asks.post(f"/items/{stones[0]}/appraisal")
    assert (alone.status_code, alone.json()["code"]) == (422, "appraisal_refused")


async def test_a_page_that_is_refused_as_a_whole_is_asked_once_and_each_listing_says_so(
    page: Page, upstream: Upstream, stones: Ids
) -> None:
    upstream.play = refusing(0.5, 0.7, 0.9)
    found = await page(*stones)
    assert (found["appraisals"], {one["code"] for one in found["missing"]}) == ([], {"appraisal_refused"})
    assert len(upstream.asked) == 1


async def test_what_the_default_model_refuses_is_not_answered_by_the_one_before(
    page: Page, upstream: Upstream, stones: Ids, models: ModelService
) -> None:
    await page(*stones)
    await models.become(Model(MODEL["name"], "2"), 1)
    upstream.play = refusing(0.5)
    assert set(versions(await page(*stones))) == set(stones[1:])


@pytest.mark.parametrize("refused", [None, "x", [-1, 3, 2**70], [0.5], {}])
async def test_a_refusal_that_names_no_diamond_is_502(
    bob_asks: httpx2.AsyncClient, upstream: Upstream, stones: Ids, refused: Any
) -> None:
    upstream.play = always(JSONResponse({"code": "x", "refused_instances": refused}, 422))
    answer = await bob_asks.post("/appraisals", json={"item_ids": stones})
    assert (answer.status_code, answer.json()["code"]) == (502, "appraisal_failed")


# Without ml-predict


async def test_without_ml_predict_what_is_remembered_is_answered_and_the_rest_says_why_not(
    page: Page, upstream: Upstream, stones: Ids, models: ModelService, bob_asks: httpx2.AsyncClient
) -> None:
    await page(*stones[:2])
    await models.become(Model(MODEL["name"], "2"), 1)
    upstream.play = always(BUSY)
    found = await page(*stones)
    assert versions(found) == dict.fromkeys(stones[:2], "1")
    assert [(one["item_id"], one["code"]) for one in found["missing"]] == [
        (stones[2], "appraisal_unavailable")
    ]
    alone = await bob_asks.post(f"/items/{stones[0]}/appraisal")
    assert (alone.status_code, alone.json()["model"]["version"]) == (200, "1")
    upstream.play = by("2")
    assert set(versions(await page(*stones)).values()) == {"2"}


async def test_a_page_of_which_nothing_is_remembered_is_503_and_says_when_to_come_back(
    bob_asks: httpx2.AsyncClient, upstream: Upstream, stones: Ids, create: Create
) -> None:
    ruby = (await create(name="A ruby"))["id"]
    upstream.play = always(BUSY)
    answer = await bob_asks.post("/appraisals", json={"item_ids": [*stones, ruby]})
    assert (answer.status_code, answer.json()["code"]) == (503, "appraisal_unavailable")
    assert answer.headers["retry-after"] == "7"


async def test_fewer_prices_than_diamonds_are_502(
    bob_asks: httpx2.AsyncClient, upstream: Upstream, stones: Ids
) -> None:
    upstream.play = always(JSONResponse({"model": MODEL, "predictions": []}))
    answer = await bob_asks.post("/appraisals", json={"item_ids": stones})
    assert (answer.status_code, answer.json()["code"]) == (502, "appraisal_failed")


# Events that are lost or late


async def test_if_the_event_is_lost_the_first_answer_of_the_new_version_makes_the_others_old(
    page: Page, upstream: Upstream, stones: Ids, database: Database
) -> None:
    await page(*stones[:2])
    await age(database, default_model.c.learned_at, 1)
    upstream.play = by("2")
    assert versions(await page(*stones)) == {stones[0]: "1", stones[1]: "1", stones[2]: "2"}
    assert set(versions(await page(*stones)).values()) == {"2"}


async def test_a_worker_that_has_not_followed_yet_does_not_take_the_event_back(
    page: Page, upstream: Upstream, stones: Ids, models: ModelService
) -> None:
    await models.become(Model(MODEL["name"], "2"), 1)
    assert set(versions(await page(*stones)).values()) == {"1"}
    upstream.play = by("2")
    assert set(versions(await page(*stones)).values()) == {"2"}
    upstream.asked.clear()
    await page(*stones)
    assert upstream.asked == []


async def test_a_canary_is_not_taken_for_the_default(
    page: Page, upstream: Upstream, stones: Ids, database: Database
) -> None:
    await page(*stones[:2])
    await age(database, default_model.c.learned_at, 1)
    upstream.play = by("2", canary=True)
    assert versions(await page(*stones)) == {stones[0]: "1", stones[1]: "1", stones[2]: "2"}
    upstream.play = by("1")
    upstream.asked.clear()
    assert set(versions(await page(*stones)).values()) == {"1"}
    assert asked_carats(upstream) == [[0.9]]
