"""GET /items page by page: cursors and totals."""

import itertools
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from items.domain import Search
from items.tables import items as table
from shared.database import Database
from shared.pages import encode_cursor
from shared.testing import LiveApp
from shared.testing.pages import pages

from .conftest import ALICE, BOB, Body, Create

pytestmark = pytest.mark.usefixtures("empty")
SORTS = ["price", "-price", "created_at", "-created_at", "carat", "-carat"]


SEED = """
INSERT INTO items (name, description, price, currency, features, owner_id, created_at)
SELECT concat(CAST(:name AS text), ' ', n), '', n % 5 + 1, 'USD',
       CASE WHEN n % 3 <> 0 THEN jsonb_build_object(
           'carat', (n % 7 + 1) / 2.0, 'cut', 'Ideal', 'color', 'G', 'clarity', 'VS2',
           'depth', 61, 'table', 56, 'x', 5, 'y', 5, 'z', 3) END,
       CAST(:owner AS bigint), now() - make_interval(secs => n % 4)
FROM generate_series(1, CAST(:count AS integer)) AS n
"""


async def seed(database: Database, count: int, name: str = "stone", owner: int = ALICE) -> None:
    """Listings of few different prices, times and carats, every third without a carat."""
    async with database.transaction() as connection:
        await connection.execute(sa.text(SEED), {"name": name, "owner": owner, "count": count})


async def ids_of_pages(live: LiveApp, query: str) -> list[list[int]]:
    return [[item["id"] for item in page.json()] async for page in pages(live.client.get, f"/items?{query}")]


@pytest.mark.parametrize("sort", SORTS)
async def test_the_pages_of_a_cursor_are_those_of_skip(live: LiveApp, database: Database, sort: str) -> None:
    """Through many ties, and through the listings without a carat."""
    await seed(database, 100)
    everything = await live.client.get("/items", params={"sort": sort, "limit": 100})
    by_cursor = await ids_of_pages(live, f"sort={sort}&limit=7")
    assert [len(page) for page in by_cursor] == [7] * 14 + [2]
    assert list(itertools.chain(*by_cursor)) == [item["id"] for item in everything.json()]


@pytest.mark.parametrize("sort", SORTS)
async def test_a_last_page_that_is_full_names_no_next_one(
    live: LiveApp, database: Database, sort: str
) -> None:
    await seed(database, 6)
    assert [len(page) for page in await ids_of_pages(live, f"sort={sort}&limit=3")] == [3, 3]
    assert [len(page) for page in await ids_of_pages(live, f"sort={sort}&limit=2&skip=4")] == [2]


@pytest.mark.parametrize("sort", SORTS)
async def test_what_comes_and_goes_meanwhile_moves_nothing_else(
    live: LiveApp, database: Database, sort: str
) -> None:
    await seed(database, 20)
    before = {item["id"] for item in (await live.client.get("/items?limit=100")).json()}
    seen: list[int] = []
    async for page in pages(live.client.get, f"/items?sort={sort}&limit=3"):
        seen += [item["id"] for item in page.json()]
        async with database.transaction() as connection:  # the row of the cursor itself
            await connection.execute(sa.delete(table).where(table.c.id == seen[-1]))
        if len(seen) < 12:
            await seed(database, 2)
    assert len(seen) == len(set(seen))
    assert before <= set(seen)


async def test_filters_stay_on_the_way(live: LiveApp, database: Database) -> None:
    await seed(database, 30)
    await seed(database, 30, "an é&=#? %", BOB)
    query = {"owner_id": BOB, "min_price": "2.00", "cut": "Ideal", "q": 'é "an é"', "utm_source": "x" * 3000}
    asked = str(httpx2.QueryParams({**query, "sort": "-carat", "limit": 4}))
    async for page in pages(live.client.get, f"/items?{asked}"):
        assert {item["owner_id"] for item in page.json()} == {BOB}
        assert all(float(item["price"]) >= 2 for item in page.json())
        assert "utm_source" not in page.headers.get("Link", "")


async def cursor_of(live: LiveApp, query: str) -> str:
    answer = await live.client.get(f"/items?{query}&limit=1")
    return httpx2.URL(answer.links["next"]["url"]).params["cursor"]


async def refused(live: LiveApp, **params: Any) -> None:
    answer = await live.client.get("/items", params=params)
    assert answer.status_code == 422, (params, answer.text)
    assert answer.json()["code"] in {"cursor_invalid", "validation_error"}
    assert len(params["cursor"]) < 9 or params["cursor"] not in answer.text


async def test_a_cursor_of_another_list_is_refused(live: LiveApp, database: Database) -> None:
    await seed(database, 9)
    cursor = await cursor_of(live, "sort=price")
    assert (await live.client.get("/items", params={"sort": "price", "cursor": cursor})).status_code == 200
    for other in (
        {"sort": "-price"},
        {},
        {"sort": "price", "max_price": "3"},
        {"sort": "price", "skip": "1"},
    ):
        await refused(live, cursor=cursor, **other)
    await refused(live, cursor=await cursor_of(live, "sort=carat&cut=Ideal"), sort="carat")


async def test_a_cursor_that_was_changed_is_refused(live: LiveApp, database: Database) -> None:
    await seed(database, 9)
    cursor = await cursor_of(live, "sort=price")
    for place in range(len(cursor)):
        other = "A" if cursor[place] != "A" else "B"
        await refused(live, sort="price", cursor=cursor[:place] + other + cursor[place + 1 :])
    for wrong in ("", "A", cursor + "A", cursor[:-1], cursor * 9, "é", "%00", "a b", "=", "\x00", "🙂"):
        await refused(live, sort="price", cursor=wrong)


@pytest.mark.parametrize(
    ("sort", "position"),
    [
        ("price", []),
        ("price", ["1.00"]),
        ("price", ["1.00", 1, 1]),
        ("price", {"price": 1}),
        ("price", ["NaN", 1]),
        ("price", ["1e400", 1]),
        ("price", ["1.001", 1]),
        ("price", [None, 1]),
        ("price", ["1.00", 2**63]),
        ("price", ["1.00", "x\x00"]),
        ("-created_at", ["2026-01-01T00:00:00", 1]),
        ("-created_at", ["0000-00-00", 1]),
        ("-created_at", [10**30, 1]),
        ("-created_at", ["9999-12-31T23:59:59-23:59", 1]),
        ("-created_at", ["0001-01-01T00:00:00+23:59", 1]),
        ("carat", ["Infinity", 1]),
        ("carat", [None, None]),
        ("carat", ["'; DROP TABLE items; --", 1]),
    ],
)
async def test_a_forged_cursor_that_is_no_place_in_the_list_is_refused(
    live: LiveApp, database: Database, sort: Any, position: Any
) -> None:
    """With the digest that ours would have: anybody can compute it, so nothing depends on it."""
    await seed(database, 3)
    forged = encode_cursor(repr(Search(sort=sort)), position)
    answer = await live.client.get("/items", params={"sort": sort, "cursor": forged})
    assert (answer.status_code, answer.json()["code"]) == (422, "cursor_invalid")


async def test_a_cursor_of_another_format_is_refused(live: LiveApp, database: Database) -> None:
    await seed(database, 3)
    cursor = await cursor_of(live, "sort=price")
    raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    await refused(live, sort="price", cursor=urlsafe_b64encode(b"\xff" + raw).rstrip(b"=").decode())


async def total(live: LiveApp, query: str) -> tuple[str | None, str | None]:
    headers = (await live.client.get(f"/items?{query}")).headers
    return headers.get("X-Total-Count"), headers.get("X-Total-Count-Accuracy")


async def test_a_total_is_exact_up_to_a_thousand_and_then_an_estimate(
    live: LiveApp, database: Database
) -> None:
    await seed(database, 1000)
    assert await total(live, "limit=5") == ("1000", "exact")
    assert await total(live, "skip=5000") == ("1000", "exact")
    await seed(database, 4000)
    async with database.transaction() as connection:
        await connection.execute(sa.text("ANALYZE items"))
    estimate, accuracy = await total(live, "limit=5")
    assert accuracy == "estimate"
    assert 4500 < int(estimate or 0) < 5500
    assert await total(live, "limit=100&skip=4950") == ("5000", "exact")  # its last page was seen
    assert await total(live, f"owner_id={BOB}") == ("0", "exact")
    few, accuracy = await total(live, "max_price=1")
    assert (few, accuracy) == ("1000", "exact")
    for least, stones in ((2, 4000), (3, 3000), (4, 2000)):  # one statement with different values
        estimate, _ = await total(live, f"min_price={least}")
        assert 0.8 * stones < int(estimate or 0) < 1.2 * stones


async def test_an_estimate_is_never_less_than_what_was_seen(live: LiveApp, database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(sa.text("ANALYZE items"))
    await seed(database, 3000)
    count, accuracy = await total(live, "limit=100&skip=2800&sort=carat&currency=USD")
    assert accuracy == "estimate"
    assert int(count or 0) >= 2901


async def test_a_page_by_its_cursor_has_no_total(live: LiveApp, create: Create) -> None:
    for _ in range(3):
        await create()
    cursor = await cursor_of(live, "sort=price")
    assert await total(live, f"sort=price&cursor={cursor}") == (None, None)


async def test_the_document_names_the_headers(live: LiveApp) -> None:
    document: Body = (await live.client.get("/openapi.json")).json()
    answer = document["paths"]["/items"]["get"]["responses"]["200"]
    assert set(answer["headers"]) == {"X-Total-Count", "X-Total-Count-Accuracy", "Link"}
