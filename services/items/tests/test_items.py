"""Making, reading, changing and deleting listings."""

import asyncio
import json
from collections import Counter
from datetime import datetime
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from shared.database import Database
from shared.testing import LiveApp

from .conftest import ALICE, Body, Create

HUGE = 2**63


async def post(client: httpx2.AsyncClient, body: str | bytes) -> httpx2.Response:
    return await client.post("/items", content=body, headers={"Content-Type": "application/json"})


# Making


async def test_an_anonymous_caller_lists_nothing(live: LiveApp) -> None:
    answer = await live.client.post("/items", json={"name": "A stone", "price": "5"})
    assert (answer.status_code, answer.json()["code"]) == (401, "token_missing")


async def test_a_listing_is_made_for_its_caller_and_can_be_read_by_all(
    live: LiveApp, alice: httpx2.AsyncClient, diamond: Body
) -> None:
    given = {"name": " Ružový ", "description": "Z Brazílie 💎", "price": 1234.5, "features": diamond}
    answer = await alice.post("/items", json=given)
    item = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/items/{item['id']}"
    assert item == {
        "id": item["id"],
        "name": "Ružový",
        "description": "Z Brazílie 💎",
        "price": "1234.50",
        "currency": "USD",
        "features": diamond,
        "owner_id": ALICE,
        "created_at": item["created_at"],
        "updated_at": item["created_at"],
    }
    assert datetime.fromisoformat(item["created_at"]).utcoffset() is not None
    read = await live.client.get(answer.headers["location"])
    assert (read.status_code, read.json()) == (200, item)


async def test_what_may_be_left_out_has_a_default(create: Create) -> None:
    item = await create()
    assert (item["description"], item["currency"], item["features"]) == ("", "USD", None)


async def test_the_longest_listing_fits_the_body_limit_with_every_character_escaped(
    alice: httpx2.AsyncClient, diamond: Body
) -> None:
    body = {"name": "💎" * 200, "description": "💎" * 5000, "price": "9999999999.99", "features": diamond}
    answer = await post(alice, json.dumps(body, ensure_ascii=True, indent=4))
    assert answer.status_code == 201
    assert (len(answer.json()["name"]), len(answer.json()["description"])) == (200, 5000)


async def test_a_larger_body_is_refused(alice: httpx2.AsyncClient) -> None:
    answer = await post(alice, b" " * 65_537)
    assert (answer.status_code, answer.json()["code"]) == (413, "content_too_large")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(
            ("name", value)
            for value in ("", "   ", "\u200b\u202e", "n" * 201, "a\x00b", "\ud800", None, 5, [], {})
        ),
        *(("description", value) for value in ("d" * 5001, "\x00", None, 5)),
        *(("price", value) for value in (0, -1, "0.001", 0.105, 1e10, "NaN", True, None, "a lot", HUGE)),
        *(("currency", value) for value in ("usd", "US", "XXX", "JPY", "USD ", "", None, 840)),
        *(("features", value) for value in ({}, [], 5, "Ideal", True)),
    ],
)
async def test_a_bad_value_is_422_and_the_field_is_named(
    alice: httpx2.AsyncClient, field: str, value: Any
) -> None:
    answer = await post(alice, json.dumps({"name": "A stone", "price": "5", field: value}))
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_error")
    assert {tuple(error["loc"][:2]) for error in answer.json()["errors"]} == {("body", field)}


@pytest.mark.parametrize(
    ("feature", "value"),
    [
        *(("carat", value) for value in (0, -1, 20.5, "0.7", True, None, "NaN", 10**400)),
        *(("cut", value) for value in ("ideal", "Superb", None, 4, "Ideal\x00")),
        *(("clarity", "FL"), ("color", "K"), ("depth", 29.9), ("table", 101), ("x", 0), ("z", 20.1)),
        ("polish", "Good"),
    ],
)
async def test_a_bad_feature_is_named_too(
    alice: httpx2.AsyncClient, diamond: Body, feature: str, value: Any
) -> None:
    body = {"name": "A stone", "price": "5", "features": diamond | {feature: value}}
    answer = await post(alice, json.dumps(body))
    assert answer.status_code == 422
    assert [error["loc"] for error in answer.json()["errors"]] == [["body", "features", feature]]


@pytest.mark.parametrize("carat", [5e-324, 1e-300, 0.1 + 0.2, 20, 19.999999999999996])
async def test_every_carat_that_is_let_in_comes_back_as_it_was_and_can_be_looked_for(
    alice: httpx2.AsyncClient, create: Create, diamond: Body, carat: float
) -> None:
    item = await create(features=diamond | {"carat": carat})
    bounds = {"min_carat": repr(carat), "max_carat": repr(carat)}
    found = (await alice.get("/items", params=bounds)).json()
    assert item["features"]["carat"] == carat
    assert item in found


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
async def test_a_number_that_is_none_never_reaches_the_database(
    alice: httpx2.AsyncClient, diamond: Body, number: str
) -> None:
    body = json.dumps({"name": "A stone", "price": "5", "features": diamond | {"x": "HERE"}})
    answer = await post(alice, body.replace('"HERE"', number))
    assert answer.status_code == 422


@pytest.mark.parametrize("field", ["owner_id", "id", "created_at", "carat", "colour"])
async def test_nobody_sets_what_is_not_theirs_to_set(alice: httpx2.AsyncClient, field: str) -> None:
    answer = await alice.post("/items", json={"name": "A stone", "price": "5", field: 7})
    assert answer.status_code == 422
    assert [error["loc"] for error in answer.json()["errors"]] == [["body", field]]


@pytest.mark.parametrize("field", ["name", "price"])
async def test_a_listing_has_a_name_and_a_price(alice: httpx2.AsyncClient, field: str) -> None:
    body = {"name": "A stone", "price": "5"}
    del body[field]
    answer = await alice.post("/items", json=body)
    assert answer.json()["detail"] == f"body.{field}: Field required"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 60_000, b'{"price": ' + b"9" * 5000]
)
async def test_a_body_that_is_no_listing_is_the_callers_fault(alice: httpx2.AsyncClient, body: bytes) -> None:
    answer = await post(alice, body)
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"


async def test_many_at_once_all_get_ids_of_their_own(create: Create) -> None:
    made = await asyncio.gather(*(create(name=f"Stone {number}") for number in range(20)))
    assert len({item["id"] for item in made}) == 20


# Reading


@pytest.mark.parametrize("item_id", [HUGE - 1, 999_999_999])
async def test_a_listing_that_is_not_there_is_404(live: LiveApp, item_id: int) -> None:
    answer = await live.client.get(f"/items/{item_id}")
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["item_id"]) == (404, "item_not_found", item_id)


@pytest.mark.parametrize("item_id", [0, -1, HUGE, 10**40, "x", "1.5", "%00", "1%20or%201=1", "null"])
async def test_an_id_that_cannot_be_is_422(live: LiveApp, item_id: Any) -> None:
    answer = await live.client.get(f"/items/{item_id}")
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_error")


async def test_a_bad_token_does_not_keep_anyone_from_reading(live: LiveApp, create: Create) -> None:
    item = await create()
    headers = {"Authorization": "Bearer nonsense"}
    assert (await live.client.get(f"/items/{item['id']}", headers=headers)).status_code == 200


# Changing


async def test_an_anonymous_caller_changes_nothing(live: LiveApp, create: Create) -> None:
    item = await create()
    answer = await live.client.patch(f"/items/{item['id']}", json={"price": "1"})
    assert (answer.status_code, answer.json()["code"]) == (401, "token_missing")


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"name": "Another"}, {"name": "Another"}),
        ({"description": ""}, {"description": ""}),
        ({"price": 0.1}, {"price": "0.10"}),
        ({"price": "7.5", "currency": "CHF"}, {"price": "7.50", "currency": "CHF"}),
        ({"features": None}, {"features": None}),
    ],
)
async def test_what_is_given_changes_and_nothing_else(
    alice: httpx2.AsyncClient, create: Create, diamond: Body, change: Body, shown: Body
) -> None:
    item = await create(description="Old", features=diamond)
    answer = await alice.patch(f"/items/{item['id']}", json=change)
    changed = answer.json()
    assert answer.status_code == 200
    assert changed["updated_at"] > item["updated_at"]
    assert changed == item | shown | {"updated_at": changed["updated_at"]}
    assert (await alice.get(f"/items/{item['id']}")).json() == changed


async def test_features_are_given_to_a_listing_that_had_none(
    alice: httpx2.AsyncClient, create: Create, diamond: Body
) -> None:
    item = await create()
    changed = await alice.patch(f"/items/{item['id']}", json={"features": diamond})
    assert changed.json()["features"] == diamond


async def test_an_administrator_changes_anyones_listing_and_it_stays_theirs(
    admin: httpx2.AsyncClient, create: Create
) -> None:
    item = await create()
    changed = await admin.patch(f"/items/{item['id']}", json={"name": "Moderated"})
    assert (changed.status_code, changed.json()["name"], changed.json()["owner_id"]) == (
        200,
        "Moderated",
        ALICE,
    )


async def test_somebody_elses_listing_is_refused_and_stays_as_it_is(
    bob: httpx2.AsyncClient, create: Create
) -> None:
    item = await create()
    answer = await bob.patch(f"/items/{item['id']}", json={"price": "0.01"})
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["item_id"]) == (403, "not_your_item", item["id"])
    assert (await bob.get(f"/items/{item['id']}")).json() == item


@pytest.mark.parametrize("field", ["name", "description", "price", "currency"])
async def test_null_is_no_value(alice: httpx2.AsyncClient, create: Create, field: str) -> None:
    item = await create()
    answer = await alice.patch(f"/items/{item['id']}", json={field: None})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"][:2] == ["body", field]


@pytest.mark.parametrize(
    "change", [{}, [], None, {"owner_id": 2}, {"id": 1}, {"price": "1.005"}, {"features": {"carat": 1}}]
)
async def test_a_change_that_is_none_is_refused(
    alice: httpx2.AsyncClient, create: Create, change: Any
) -> None:
    item = await create()
    answer = await alice.patch(f"/items/{item['id']}", json=change)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_error")
    assert (await alice.get(f"/items/{item['id']}")).json() == item


async def test_changing_what_is_not_there_is_404(alice: httpx2.AsyncClient) -> None:
    answer = await alice.patch("/items/999999999", json={"price": "1"})
    assert (answer.status_code, answer.json()["code"]) == (404, "item_not_found")


async def test_a_clock_that_was_set_back_makes_no_conflict(
    alice: httpx2.AsyncClient, create: Create, database: Database
) -> None:
    item = await create()
    async with database.transaction() as connection:
        later = "created_at = created_at + interval '1 hour', updated_at = updated_at + interval '1 hour'"
        await connection.execute(sa.text(f"UPDATE items SET {later} WHERE id = {item['id']}"))  # noqa: S608 - ours
    answer = await alice.patch(f"/items/{item['id']}", json={"name": "earlier"})
    assert (answer.status_code, answer.json()["name"]) == (200, "earlier")
    assert answer.json()["updated_at"] == answer.json()["created_at"]


async def test_two_who_change_different_things_at_once_both_succeed(
    alice: httpx2.AsyncClient, admin: httpx2.AsyncClient, create: Create
) -> None:
    item = await create()
    url = f"/items/{item['id']}"
    for number in range(10):
        answers = await asyncio.gather(
            alice.patch(url, json={"name": f"Name {number}"}),
            admin.patch(url, json={"description": f"Text {number}"}),
        )
        assert [answer.status_code for answer in answers] == [200, 200]
        read = (await alice.get(url)).json()
        assert (read["name"], read["description"]) == (f"Name {number}", f"Text {number}")
        assert read["updated_at"] == max(answer.json()["updated_at"] for answer in answers)


# Deleting


async def test_an_anonymous_caller_deletes_nothing(live: LiveApp, create: Create) -> None:
    item = await create()
    answer = await live.client.delete(f"/items/{item['id']}")
    assert (answer.status_code, answer.json()["code"]) == (401, "token_missing")


async def test_an_owner_deletes_a_listing_once(alice: httpx2.AsyncClient, create: Create) -> None:
    item = await create()
    gone = await alice.delete(f"/items/{item['id']}")
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await alice.get(f"/items/{item['id']}")).status_code == 404
    assert (await alice.delete(f"/items/{item['id']}")).json()["code"] == "item_not_found"


async def test_an_administrator_deletes_anyones(admin: httpx2.AsyncClient, create: Create) -> None:
    item = await create()
    assert (await admin.delete(f"/items/{item['id']}")).status_code == 204


async def test_nobody_else_does(bob: httpx2.AsyncClient, create: Create) -> None:
    item = await create()
    answer = await bob.delete(f"/items/{item['id']}")
    assert (answer.status_code, answer.json()["code"]) == (403, "not_your_item")
    assert (await bob.get(f"/items/{item['id']}")).status_code == 200


async def test_of_many_who_delete_at_once_one_succeeds(alice: httpx2.AsyncClient, create: Create) -> None:
    item = await create()
    answers = await asyncio.gather(*(alice.delete(f"/items/{item['id']}") for _ in range(8)))
    assert Counter(answer.status_code for answer in answers) == {204: 1, 404: 7}


async def test_a_change_that_meets_a_deletion_is_done_or_404_and_nothing_comes_back(
    alice: httpx2.AsyncClient, admin: httpx2.AsyncClient, create: Create
) -> None:
    for _ in range(10):
        item = await create()
        url = f"/items/{item['id']}"
        change, deletion = await asyncio.gather(admin.patch(url, json={"price": "2"}), alice.delete(url))
        assert change.status_code in {200, 404}
        assert deletion.status_code == 204
        assert (await alice.get(url)).status_code == 404
