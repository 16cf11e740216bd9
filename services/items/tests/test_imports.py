"""Imports: no line is taken twice, wrong lines are named, and nothing holds a whole file."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Iterable
from datetime import timedelta
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from items.exceptions import OwnerGone
from items.factory import Factory
from items.import_lines import BATCH_LINES, LONGEST_LINE, batches
from items.tables import imports, items, outbox
from shared.database import Database
from shared.identity import Caller

pytestmark = pytest.mark.usefixtures("empty")
Answer = httpx2.Response


@pytest.fixture
def path() -> str:
    return f"/items/imports/{secrets.token_hex(8)}"


def listing(number: int) -> bytes:
    return json.dumps({"name": f"Stone {number}", "price": "10.50"}).encode()


def ndjson(numbers: Iterable[int]) -> bytes:
    return b"".join(listing(number) + b"\n" for number in numbers)


async def names(database: Database) -> list[str]:
    async with database.transaction() as connection:
        return await connection.scalars(sa.select(items.c.name).order_by(items.c.id))


def counted(answer: Answer) -> tuple[int, int, int]:
    assert answer.status_code == 200, answer.text
    body = answer.json()
    return body["line"], body["created"], body["failed"]


async def wrong(client: httpx2.AsyncClient, path: str) -> dict[int, str]:
    return {one["line"]: one["code"] for one in (await client.get(f"{path}/errors")).json()}


async def test_each_line_becomes_a_listing_as_if_it_was_posted(
    alice: httpx2.AsyncClient, path: str, diamond: dict[str, Any], database: Database
) -> None:
    new = {"name": " Round ", "description": "With ☃", "price": 0.1, "currency": "EUR", "features": diamond}
    assert counted(await alice.post(path, content=json.dumps(new))) == (1, 1, 0)
    [imported] = (await alice.get("/items")).json()
    posted = (await alice.post("/items", json=new)).json()
    for mine in ("id", "created_at", "updated_at"):
        del imported[mine], posted[mine]
    assert imported == posted
    query = sa.select(outbox.c.data["name"].astext).where(outbox.c.kind == "item.created")
    async with database.transaction() as connection:
        told = await connection.scalars(query.order_by(outbox.c.sequence.desc()).limit(2))
    assert told == ["Round", "Round"]


async def test_wrong_lines_are_named_and_passed_over(alice: httpx2.AsyncClient, path: str) -> None:
    lines = [
        listing(1),
        b"no JSON",
        b"x" * (LONGEST_LINE + 1),
        b'{"name": "\xff", "price": "1"}',
        b'{"name": "nothing", "price": "0"}',
        b"  ",
        b'{"name": "odd", "price": "1", "\\u0000": 1}',
        b'{"name": "NUL\\u0000", "price": "1"}',
        b'{"name": "half a pair \\ud800", "price": "1"}',
        b"[]",
        b"[" * 1000,
        b'{"name": "not a number", "price": NaN}',
        listing(13),
    ]
    assert counted(await alice.post(path, content=b"\n".join(lines))) == (13, 2, 10)
    expected = {2, 4, 9, 11}
    found = await wrong(alice, path)
    assert found == {
        line: "malformed_json" if line in expected else "line_too_long" if line == 3 else "validation_error"
        for line in (2, 3, 4, 5, 7, 8, 9, 10, 11, 12)
    }
    [first] = (await alice.get(f"{path}/errors", params={"skip": 3, "limit": 1})).json()
    assert first == {"line": 5, "code": "validation_error", "reason": "price: Input should be greater than 0"}


async def test_errors_come_in_pages(alice: httpx2.AsyncClient, path: str) -> None:
    await alice.post(path, content=b"wrong\n" * 5)
    first = await alice.get(f"{path}/errors", params={"limit": 3})
    following = await alice.get(first.links["next"]["url"])
    assert [one["line"] for one in first.json() + following.json()] == [1, 2, 3, 4, 5]
    assert "next" not in following.links


async def test_of_many_wrong_lines_the_first_are_kept_and_all_are_counted(
    alice: httpx2.AsyncClient, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("items.imports.KEPT", 3)
    assert counted(await alice.post(path, content=b"wrong\n" * (BATCH_LINES + 5))) == (205, 0, 205)
    assert list(await wrong(alice, path)) == [1, 2, 3]


async def test_the_same_import_again_lists_nothing(
    alice: httpx2.AsyncClient, path: str, database: Database
) -> None:
    for _ in range(2):
        assert counted(await alice.post(path, content=ndjson(range(5)))) == (5, 5, 0)
    assert len(await names(database)) == 5


async def test_an_import_goes_on_where_it_was(
    alice: httpx2.AsyncClient, path: str, database: Database
) -> None:
    assert counted(await alice.post(path, content=ndjson(range(3)))) == (3, 3, 0)
    assert counted(await alice.post(path, params={"line": 3}, content=ndjson(range(2, 6)))) == (6, 6, 0)
    gap = await alice.post(path, params={"line": 8}, content=ndjson([8]))
    assert (gap.status_code, gap.json()["code"], gap.json()["next_line"]) == (409, "import_gap", 7)
    assert counted(await alice.get(path)) == (6, 6, 0)
    assert await names(database) == [f"Stone {number}" for number in range(6)]


async def test_a_body_that_breaks_off_keeps_the_batches_before(
    alice: httpx2.AsyncClient, path: str, database: Database, eventually: Any
) -> None:
    """The line that was cut in two is not taken, though its beginning has arrived."""

    async def broken() -> AsyncIterator[bytes]:
        yield ndjson(range(BATCH_LINES)) + b'{"name": "half", '

        async def line() -> int:
            """0 while the import is not known yet, which it is with its first batch."""
            return int((await alice.get(path)).json().get("line", 0))

        await eventually(line, BATCH_LINES)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await alice.post(path, content=broken())
    whole = ndjson(range(BATCH_LINES + 3))
    assert counted(await alice.post(path, content=whole)) == (BATCH_LINES + 3, BATCH_LINES + 3, 0)
    assert await names(database) == [f"Stone {number}" for number in range(BATCH_LINES + 3)]


async def test_an_import_that_expires_while_its_body_comes_leaves_no_lines_out(
    alice: httpx2.AsyncClient, path: str, database: Database, eventually: Any
) -> None:
    async def lines() -> AsyncIterator[bytes]:
        yield ndjson(range(BATCH_LINES))

        async def line() -> int:
            return int((await alice.get(path)).json().get("line", 0))

        await eventually(line, BATCH_LINES)
        async with database.transaction() as connection:
            await connection.execute(sa.delete(imports))
        yield ndjson(range(BATCH_LINES, BATCH_LINES + 3))

    gap = await alice.post(path, content=lines())
    assert (gap.status_code, gap.json()["code"], gap.json()["next_line"]) == (409, "import_gap", 1)
    assert len(await names(database)) == BATCH_LINES


async def test_two_at_once_share_the_work(alice: httpx2.AsyncClient, path: str, database: Database) -> None:
    number = 3 * BATCH_LINES
    answers = await asyncio.gather(*(alice.post(path, content=ndjson(range(number))) for _ in range(3)))
    assert {counted(answer) for answer in answers} == {(number, number, 0)}
    assert sorted(await names(database)) == sorted(f"Stone {one}" for one in range(number))


async def test_an_import_is_its_callers_own(
    alice: httpx2.AsyncClient, bob: httpx2.AsyncClient, path: str
) -> None:
    await alice.post(path, content=b"wrong\n" + listing(1))
    for address in (path, f"{path}/errors"):
        assert (await bob.get(address)).json()["code"] == "import_not_found"
    assert counted(await bob.post(path, content=listing(1))) == (1, 1, 0)
    assert counted(await alice.get(path)) == (2, 1, 1)


async def test_a_deactivated_owner_imports_nothing(
    alice: httpx2.AsyncClient, path: str, database: Database, redis: Any
) -> None:
    factory = Factory(database)
    owners, gone = factory.owners(redis), 77_001
    await owners.hide(gone, 1)
    caller = Caller(id=gone, session_id="s", scopes=frozenset({"write"}), expires_at=0)

    async def chunks() -> AsyncIterator[bytes]:
        yield b"wrong\n" + listing(1)

    with pytest.raises(OwnerGone):
        await factory.imports(1).take("an-import", 1, chunks(), caller)
    assert await names(database) == []
    assert (await factory.imports(1).read("an-import", caller)).line == 0


async def test_blank_lines_take_no_transactions(alice: httpx2.AsyncClient, path: str) -> None:
    blank = b"\n" * 100_000
    body = blank + listing(1) + b"\n" + blank + listing(2)
    found = [batch async for batch in batches(one_by_one([body]), 1, 0)]
    assert [[number for number, _ in batch] for batch in found] == [[1, 100_000, 100_001, 200_001, 200_002]]
    assert counted(await alice.post(path, content=body)) == (200_002, 2, 0)
    assert counted(await alice.post(path, content=listing(3), params={"line": 200_003})) == (200_003, 3, 0)


async def one_by_one(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def test_an_import_that_stands_still_is_forgotten_with_its_errors(
    alice: httpx2.AsyncClient, path: str, database: Database
) -> None:
    await alice.post(path, content=b"wrong\n")
    await Factory(database).imports(1).forget()
    assert (await alice.get(path)).status_code == 200
    async with database.transaction() as connection:
        old = sa.func.now() - timedelta(hours=1, seconds=1)
        await connection.execute(sa.update(imports).values(updated_at=old))
    await Factory(database).imports(1).forget()
    assert (await alice.get(path)).status_code == 404


async def test_many_imports_are_forgotten_in_several_statements(
    alice: httpx2.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("items.import_repository.FORGOTTEN", 2)
    for _ in range(5):
        await alice.post(f"/items/imports/{secrets.token_hex(8)}", content=b"wrong\n")
    async with database.transaction() as connection:
        old = sa.func.now() - timedelta(hours=2)
        await connection.execute(sa.update(imports).values(updated_at=old))
    await Factory(database).imports(1).forget()
    async with database.transaction() as connection:
        assert await connection.scalar(sa.select(sa.func.count()).select_from(imports)) == 0


async def test_what_is_not_read_yet_is_bounded() -> None:
    """A batch is handed on before the next one is asked for, however long the body."""
    asked = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal asked
        while True:
            asked += 1
            yield ndjson(range(10))

    reading = batches(endless(), 1, 0)
    for number in range(1, 4):
        assert len(await anext(reading)) == BATCH_LINES
        assert asked == number * BATCH_LINES / 10


@pytest.mark.parametrize("name", ["short", "a" * 65, "a.dotted-name", "sp%20aces-in-it"])
async def test_a_name_has_one_form(alice: httpx2.AsyncClient, name: str) -> None:
    assert (await alice.post(f"/items/imports/{name}", content=b"")).status_code == 422


async def test_an_export_can_be_imported_again(
    alice: httpx2.AsyncClient, bob: httpx2.AsyncClient, path: str, diamond: dict[str, Any], database: Database
) -> None:
    """In pages, so that no one holds them all: here more than one."""
    new = json.dumps({"name": 'With "quotes"\nand lines', "price": "3", "features": diamond}).encode()
    number = BATCH_LINES + 50
    assert counted(await alice.post(path, content=ndjson(range(number)) + new)) == (number + 1, number + 1, 0)
    exported = await alice.get("/items/exports/mine")
    assert exported.headers["Content-Type"].startswith("application/x-ndjson")
    assert len(exported.content.splitlines()) == number + 1
    assert (await bob.get("/items/exports/mine")).content == b""
    assert counted(await bob.post(path, content=exported.content)) == (number + 1, number + 1, 0)
    assert (await bob.get("/items/exports/mine")).content == exported.content
