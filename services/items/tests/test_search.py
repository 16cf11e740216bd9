"""GET /items: filters, order, pages."""

import itertools
from typing import Any

import httpx2
import pytest

from shared.testing import LiveApp

from .conftest import ALICE, BOB, Body, Create

pytestmark = pytest.mark.usefixtures("empty")


async def names(live: LiveApp, **params: Any) -> list[str]:
    answer = await live.client.get("/items", params=params)
    assert answer.status_code == 200, answer.text
    found = [item["name"] for item in answer.json()]
    assert answer.headers["x-total-count"] == str(len(found))
    return found


async def test_an_anonymous_caller_sees_that_there_is_nothing(live: LiveApp) -> None:
    answer = await live.client.get("/items")
    assert (answer.status_code, answer.json(), answer.headers["x-total-count"]) == (200, [], "0")


async def test_the_newest_come_first(live: LiveApp, create: Create) -> None:
    for name in ("first", "second", "third"):
        await create(name=name)
    assert await names(live) == ["third", "second", "first"]
    assert await names(live, sort="created_at") == ["first", "second", "third"]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"min_price": "20"}, ["20", "30.50"]),
        ({"max_price": 20}, ["10", "20"]),
        ({"min_price": "10.01", "max_price": "30.49"}, ["20"]),
        ({"min_price": "20.00", "max_price": "20"}, ["20"]),
        ({"min_price": "0"}, ["10", "20", "30.50"]),
        ({"min_price": "9999999999.99"}, []),
    ],
)
async def test_prices_bound_the_listings_inclusively(
    live: LiveApp, create: Create, filters: Body, found: list[str]
) -> None:
    for price in ("10", "20", "30.50"):
        await create(name=price, price=price)
    assert await names(live, sort="price", **filters) == found


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"cut": "Ideal"}, ["a", "c"]),
        ({"cut": "Very Good"}, ["b"]),
        ({"cut": "Ideal", "color": "D"}, ["c"]),
        ({"clarity": "VS2"}, ["a", "b", "c"]),
        ({"clarity": "IF"}, []),
        ({"min_carat": 0.5}, ["b", "c"]),
        ({"max_carat": "0.7"}, ["a", "b"]),
        ({"min_carat": 0.7, "max_carat": 0.7}, ["b"]),
        ({"min_carat": 0, "max_carat": 20}, ["a", "b", "c"]),
        ({"currency": "CHF"}, ["d"]),
        ({"owner_id": ALICE}, ["a", "b", "c", "d"]),
        ({"owner_id": BOB}, ["e"]),
        ({"owner_id": 2**63 - 1}, []),
        ({"utm_source": "x", "min_pric": "1", "cut": "Ideal"}, ["a", "c"]),
    ],
)
async def test_a_filter_finds_what_fits(
    live: LiveApp, create: Create, bob: httpx2.AsyncClient, diamond: Body, filters: Body, found: list[str]
) -> None:
    await create(name="a", features=diamond | {"carat": 0.3})
    await create(name="b", features=diamond | {"cut": "Very Good", "carat": 0.7})
    await create(name="c", features=diamond | {"color": "D", "carat": 1.1})
    await create(name="d", currency="CHF")
    await bob.post("/items", json={"name": "e", "price": "1"})
    assert await names(live, sort="created_at", **filters) == found


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("ruby", ["A RUBY", "ruby ring", "a set"]),
        ("RING ruby", ["ruby ring", "a set"]),
        ('"ruby ring"', ["ruby ring"]),
        ("ruby -ring", ["A RUBY"]),
        ("pure or éclair", ["100% pure", "éclair"]),
        ("a", ["A RUBY", "a set"]),
        ("ÉCLAT", ["Éclat"]),
        ("жемчуг", ["Жемчуг"]),
        ("100 pure", ["100% pure"]),
        ("rub", []),
        ("%", []),
        ("-", []),
        ('"', []),
        ("& | ! <-> ( :*", []),
        ("'; DROP TABLE items; --", []),
        ("r" * 200, []),
        ("-ruby", ["100% pure", "Éclat", "éclair", "Жемчуг", "💎"]),
    ],
)
async def test_listings_are_found_by_the_words_of_their_name_and_description(
    live: LiveApp, create: Create, words: str, found: list[str]
) -> None:
    for name in ["A RUBY", "ruby ring", "100% pure", "Éclat", "éclair", "Жемчуг", "💎"]:
        await create(name=name)
    await create(name="a set", description="One ring.\nAnother with a Ruby, and more.")
    assert await names(live, sort="created_at", q=words) == found


async def test_no_words_are_no_filter(live: LiveApp, create: Create) -> None:
    await create(name="any")
    assert await names(live, q=" ") == ["any"]


async def test_the_longest_listing_of_different_words_can_be_stored_and_found(
    live: LiveApp, create: Create
) -> None:
    different = " ".join(f"{number:04x}" for number in range(1000))
    await create(name="w" * 200, description=different)
    assert await names(live, q="01f4") == ["w" * 200]


@pytest.mark.parametrize(
    ("sort", "found"),
    [
        ("price", ["cheap", "middle", "dear", "no diamond"]),
        ("-price", ["no diamond", "dear", "middle", "cheap"]),
        ("carat", ["dear", "cheap", "middle", "no diamond"]),
        ("-carat", ["middle", "cheap", "dear", "no diamond"]),
    ],
)
async def test_the_order_is_the_one_asked_for_and_stones_without_carat_come_last(
    live: LiveApp, create: Create, diamond: Body, sort: str, found: list[str]
) -> None:
    await create(name="cheap", price="9", features=diamond | {"carat": 2})
    await create(name="no diamond", price="500")
    await create(name="dear", price="100", features=diamond | {"carat": 0.5})
    await create(name="middle", price="20", features=diamond | {"carat": 10})
    assert await names(live, sort=sort) == found


@pytest.mark.parametrize("sort", ["price", "-price", "created_at", "-created_at", "carat", "-carat"])
async def test_pages_never_overlap_and_miss_nothing_though_all_are_alike(
    live: LiveApp, create: Create, diamond: Body, sort: str
) -> None:
    made = {(await create(price="5", features=diamond if odd else None))["id"] for odd in [0, 1] * 6}
    pages = [
        await live.client.get("/items", params={"sort": sort, "skip": skip, "limit": 5})
        for skip in (0, 5, 10, 15)
    ]
    assert [len(page.json()) for page in pages] == [5, 5, 2, 0]
    assert {page.headers["x-total-count"] for page in pages} == {"12"}
    seen = list(itertools.chain.from_iterable([item["id"] for item in page.json()] for page in pages))
    assert len(seen) == 12
    assert set(seen) == made


async def test_an_order_and_its_reverse_are_each_others_mirror(live: LiveApp, create: Create) -> None:
    for _ in range(6):
        await create(price="5")
    forwards, backwards = [
        [item["id"] for item in (await live.client.get("/items", params={"sort": sort})).json()]
        for sort in ("price", "-price")
    ]
    assert forwards == backwards[::-1]


async def test_a_page_has_twenty_unless_asked_otherwise(live: LiveApp, create: Create) -> None:
    for _ in range(21):
        await create()
    answer = await live.client.get("/items")
    assert (len(answer.json()), answer.headers["x-total-count"]) == (20, "21")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("skip", value) for value in ("-1", "1000001", "x", str(2**63), "1e3")),
        *(("limit", value) for value in ("0", "101", "-5", "")),
        *(("min_price", value) for value in ("-1", "x", "NaN", "1.005", "1_0", "1e9", str(10**10), "\x00")),
        *(("min_carat", value) for value in ("-1", "21", "nan", "inf", "x")),
        *(("currency", "usd"), ("cut", "ideal"), ("color", "Z"), ("clarity", ""), ("clarity", "I1\x00")),
        *(("owner_id", value) for value in ("0", "-1", str(2**63), "me")),
        *(("q", value) for value in ("a\x00b", "q" * 201)),
        *(("sort", value) for value in ("name", "+price", "price,id", "-", "id;--", "")),
    ],
)
async def test_a_parameter_that_means_nothing_is_422_and_named(live: LiveApp, name: str, value: str) -> None:
    answer = await live.client.get("/items", params={name: value})
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_error")
    assert answer.json()["errors"][0]["loc"] == ["query", name]


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"min_price": "5", "max_price": "4.99"}, "min_price is greater than max_price"),
        ({"min_carat": "2", "max_carat": "1"}, "min_carat is greater than max_carat"),
    ],
)
async def test_a_range_that_holds_nothing_is_422(live: LiveApp, params: Body, why: str) -> None:
    answer = await live.client.get("/items", params=params)
    assert answer.status_code == 422
    assert why in answer.json()["detail"]


async def test_the_schema_names_every_parameter(live: LiveApp) -> None:
    document = (await live.client.get("/openapi.json")).json()
    listed = {parameter["name"] for parameter in document["paths"]["/items"]["get"]["parameters"]}
    ranges = {"min_price", "max_price", "min_carat", "max_carat"}
    assert listed == ranges | {
        "skip",
        "limit",
        "cursor",
        "currency",
        "cut",
        "color",
        "clarity",
        "owner_id",
        "q",
        "sort",
    }
