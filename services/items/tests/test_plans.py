"""How Postgres finds a page: in an index of its order, at any depth, whatever the filter."""

import re
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from items.domain import Item, Search
from items.searching import ORDERS, listing
from shared.database import Database
from shared.keyset import COUNTED, Explain
from shared.large_totals import MOST, LargeTotals
from shared.pages import Page, Total, encode_cursor

from .conftest import Body
from .test_pages import seed

ROWS = 20_000


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def rows(database: Database) -> None:
    """Many listings; a few have a rare word, a rare currency, or no carat."""
    async with database.transaction() as connection:
        await connection.execute(sa.text("DELETE FROM items"))
    await seed(database, ROWS)
    async with database.transaction() as connection:
        spread = (
            "UPDATE items SET price = id % 9973 + 1, created_at = created_at - make_interval(secs => id), "
            "currency = CASE WHEN id % 997 = 0 THEN 'CHF' ELSE 'USD' END, owner_id = id % 500 + 1, "
            "description = CASE WHEN id % 1009 = 0 THEN 'a rarity' ELSE '' END"
        )
        await connection.execute(sa.text(spread))
    await database.autocommit.execute(sa.text("VACUUM ANALYZE items"))


class Recording:
    """Explains what it executes. `measured`: executes it once more, and counts the pages of memory."""

    def __init__(self, database: Database, *, measured: bool) -> None:
        self.connection = database.autocommit
        self.measured = measured
        self.plans: list[str] = []
        self.buffers: list[int] = []
        self.totals = 0  # statements that look for one

    async def execute(self, statement: Any) -> Any:
        self.plans.append("\n".join(await self.connection.scalars(Explain(statement))))
        if self.measured:
            options = {"literal_binds": True}
            text = str(statement.compile(dialect=postgresql.dialect(), compile_kwargs=options))
            explain = f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) {text}".replace(":", "\\:")
            lines = await self.connection.scalars(sa.text(explain))
            self.buffers.append(sum(map(int, re.findall(r"(?:hit|read)=(\d+)", lines[1]))))
        return await self.connection.execute(statement)

    async def scalar(self, statement: Any) -> Any:
        self.totals += 1
        return await self.connection.scalar(statement)


async def explained(database: Database, query: Search, page: Page, *, measured: bool = False) -> Recording:
    recording = Recording(database, measured=measured)
    await listing(query).page(recording, page)  # type: ignore[arg-type]  # the part that it uses
    return recording


async def cursor_at(database: Database, query: Search, skip: int) -> str:
    found = await listing(query).page(database.autocommit, Page(skip, 1))
    [item] = found.rows
    return encode_cursor(repr(query), ORDERS[query.sort].key(item))


INDEXES = {"price": "ix_items_price", "created_at": "ix_items_created_at", "carat": "ix_items_carat"}


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("sort", sorted(ORDERS))
async def test_a_page_by_its_cursor_costs_the_same_at_any_depth(database: Database, sort: Any) -> None:
    """Counted in pages of memory that Postgres reads, through the listings without a carat too."""
    query = Search(sort=sort)
    costs = []
    for skip in (0, 10, ROWS // 2, ROWS - 2000, ROWS - 30):
        cursor = await cursor_at(database, query, skip)
        recording = await explained(database, query, Page(limit=20, cursor=cursor), measured=True)
        for plan in recording.plans:  # close to the end of the ids, the index of the ids is as good
            assert re.search(f"using ({INDEXES[sort.lstrip('-')]}|pk_items)", plan), plan
            assert "Seq Scan" not in plan
        assert recording.buffers
        costs.append(sum(recording.buffers))
    assert max(costs) <= 60, costs


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({"q": "rarity"}, "ix_items_words"),
        ({"q": '"a rarity" -ruby', "sort": "price"}, "ix_items_words"),
        ({"currency": "CHF"}, "ix_items_currency"),
        ({"currency": "CHF", "sort": "price"}, "ix_items_currency"),
        ({"owner_id": 7}, "ix_items_owner_id"),
        ({"min_price": 9000, "sort": "price"}, "ix_items_price"),
        ({"max_price": 3, "sort": "-price"}, "ix_items_price"),
        ({"min_price": 9970}, "ix_items_price"),
        ({"cut": "Fair"}, "ix_items_features"),
        ({"min_carat": 3.4, "sort": "carat"}, "ix_items_carat"),
    ],
)
async def test_a_filter_is_found_in_an_index(database: Database, filters: Body, index: str) -> None:
    recording = await explained(database, Search(**filters), Page(limit=20))
    for plan in recording.plans:
        assert index in plan, plan
        assert "Seq Scan" not in plan


@pytest.mark.usefixtures("rows")
async def test_a_total_reads_no_more_than_it_counts(database: Database) -> None:
    """A twentieth of the listings are counted; the rest is what the planner knows."""
    found = await listing(Search()).page(database.autocommit, Page(limit=20))
    assert found.total is not None
    assert found.total.accuracy == "estimate"
    assert ROWS * 0.9 < found.total.count < ROWS * 1.1
    assert isinstance(found.rows[0], Item)


@pytest.mark.usefixtures("rows")
async def test_a_large_total_is_looked_for_once_in_a_while(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.large_totals.SECONDS", 10.0)
    now = 0.0
    large = LargeTotals(lambda: now)
    recording = Recording(database, measured=False)

    async def found(page: Page, **filters: Any) -> tuple[int, int]:
        """The total, and the statements that looked for it."""
        recording.totals = 0
        total = (await listing(Search(**filters)).page(recording, page, large)).total  # type: ignore[arg-type]
        assert total is not None
        return total.count, recording.totals

    total, statements = await found(Page())
    assert (total > COUNTED, statements) == (True, 2)
    assert await found(Page(limit=3)) == (total, 0)
    few = await found(Page(limit=5), currency="CHF")
    assert few == await found(Page(limit=1), currency="CHF") == (few[0], 1)  # few: counted each time
    now = 10.0
    assert await found(Page()) == (total, 2)


async def test_of_too_many_lists_all_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.large_totals.SECONDS", 10.0)
    large = LargeTotals(lambda: 0.0)
    for place in range(MOST):
        large.keep(f"{place}", Total(place, "estimate"))
    assert large.find("0") == Total(0, "estimate")
    large.keep("one more", Total(5000, "estimate"))
    assert large.find("0") is None
    assert large.find("one more") == Total(5000, "estimate")
