# ruff: noqa: T201 - the soaks print their figures
"""A million listings: pages cost what they cost among a thousand, and a long import needs no memory."""

import itertools
import secrets
from collections.abc import AsyncIterator, Callable
from statistics import median
from time import perf_counter

import httpx2
import psutil
import pytest
import sqlalchemy as sa

from items.domain import Search
from items.searching import ORDERS, listing
from items.settings import ItemsSettings
from shared.database import Database
from shared.pages import Page

from .conftest import MIGRATIONS, Body
from .test_pages import SEED
from .test_plans import cursor_at, explained

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]
SMALL, LARGE, LINES = 1000, 1_000_000, 100_000
DEPTHS = (0.0, 0.1, 0.5, 0.9)
INDEX = 8  # pages of memory on the way to the first row
ROUNDS = 200


async def fill(database: Database, count: int) -> None:
    connection = database.autocommit
    await connection.execute(sa.text("TRUNCATE items"))
    given = {"name": "stone", "owner": 1, "count": count}
    await connection.execute(sa.text(SEED), given, within=900)
    spread = "UPDATE items SET price = id % 9973 + 1, created_at = created_at - make_interval(secs => id)"
    await connection.execute(sa.text(spread), within=900)
    await connection.execute(sa.text("VACUUM FULL ANALYZE items"), within=900)


async def test_a_page_of_a_million_costs_what_one_of_a_thousand_does(
    make_database: Callable[..., Body], settings: ItemsSettings
) -> None:
    """Asked in turns. At most one page of memory for each row and the way through the index, at any depth."""
    given = [{**settings.model_dump(), **make_database(name, MIGRATIONS)} for name in ("few", "many")]
    few, many = (Database(ItemsSettings(**one), "items-soak") for one in given)
    await fill(few, SMALL)
    await fill(many, LARGE)
    print(f"\n{'order':>12} {'depth':>6} {'buffers':>10} {'ms':>12} {'ratio':>6}")
    dearest = 0
    for sort, depth in itertools.product(sorted(ORDERS), DEPTHS):
        query = Search(sort=sort)
        asked = [
            (database, Page(limit=20, cursor=await cursor_at(database, query, int(count * depth))))
            for database, count in ((few, SMALL), (many, LARGE))
        ]
        buffers = [sum((await explained(*one, measured=True)).buffers) for one in with_query(asked, query)]
        times: list[list[float]] = [[], []]
        for _ in range(ROUNDS):
            for (database, page), took in zip(asked, times, strict=True):
                began = perf_counter()
                await listing(query).page(database.autocommit, page)
                took.append(perf_counter() - began)
        before, after = (median(took) * 1000 for took in times)
        shown = f"{buffers[0]:4} {buffers[1]:5} {before:6.2f} {after:5.2f} {after / before:6.2f}"
        print(f"{sort:>12} {depth:6.0%} {shown}")
        dearest = max(dearest, buffers[1])
    assert dearest <= 20 + INDEX
    await few.close()
    await many.close()


def with_query(asked: list[tuple[Database, Page]], query: Search) -> list[tuple[Database, Search, Page]]:
    return [(database, query, page) for database, page in asked]


async def test_an_import_of_any_length_needs_no_more_memory(alice: httpx2.AsyncClient, empty: None) -> None:
    """In this process, which sends and takes the lines."""
    resident: list[int] = []
    process = psutil.Process()

    async def lines() -> AsyncIterator[bytes]:
        for thousand in range(LINES // 1000):
            resident.append(process.memory_info().rss)
            yield b"".join(
                b'{"name": "Stone %d", "description": "%b", "price": "1"}\n' % (thousand, b"x" * 1000)
                for _ in range(1000)
            )

    path = f"/items/imports/{secrets.token_hex(8)}"
    began = perf_counter()
    answer = await alice.post(path, content=lines(), timeout=900)
    assert answer.json()["created"] == LINES
    early, late = max(resident[10:30]), max(resident[-20:])
    rate = LINES / (perf_counter() - began)
    print(f"\n{rate:.0f} lines/s; {early >> 20} MiB at first, {late >> 20} MiB at the end")
    assert late < early + 20 * 2**20
