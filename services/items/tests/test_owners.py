"""Listings follow their owner's account, whatever the order in which events come, and however often."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import pytest
import pytest_asyncio
import sqlalchemy as sa
from redis.asyncio import Redis

from items.domain import Item
from items.exceptions import OwnerGone
from items.factory import Factory
from items.owners import OwnerService
from items.schemas import NewItem
from items.tables import outbox, owners
from shared.database import Database
from shared.identity import Caller
from shared.read_cache import ReadCache
from shared.testing import LiveApp, TestIdentity, http_client

Visible = Callable[[], Awaitable[int]]
Eventually = Callable[..., Awaitable[None]]
_ids = itertools.count(1_000)


@pytest.fixture
def owner_id() -> int:
    return next(_ids)


@pytest.fixture
def service(database: Database, redis: Redis) -> OwnerService:
    return Factory(database).owners(redis)


@pytest_asyncio.fixture(loop_scope="session")
async def owner(live: LiveApp, identity: TestIdentity, owner_id: int) -> AsyncIterator[httpx2.AsyncClient]:
    """Somebody with two listings."""
    headers = identity.headers(owner_id)
    async with http_client(live.url, headers=headers) as client:
        for name in ("one", "two"):
            assert (await client.post("/items", json={"name": name, "price": "1"})).status_code == 201
        yield client


@pytest.fixture
def visible(owner: httpx2.AsyncClient, owner_id: int) -> Visible:
    """How many of the owner's listings can be found."""

    async def number() -> int:
        answer = await owner.get("/items", params={"owner_id": owner_id})
        return len(answer.json())

    return number


async def kinds(database: Database, owner_id: int) -> list[str]:
    told = sa.select(outbox.c.kind).where(outbox.c.data["owner_id"].as_integer() == owner_id)
    async with database.transaction() as connection:
        return list(await connection.scalars(told.order_by(outbox.c.sequence)))


async def test_a_deactivated_owners_listings_cannot_be_found_until_the_account_is_reactivated(
    owner: httpx2.AsyncClient,
    service: OwnerService,
    visible: Visible,
    owner_id: int,
    admin: httpx2.AsyncClient,
) -> None:
    ids = [item["id"] for item in (await owner.get("/items", params={"owner_id": owner_id})).json()]
    await service.hide(owner_id, 1)
    assert await visible() == 0
    for item_id in ids:
        for client in (owner, admin):
            assert (await client.get(f"/items/{item_id}")).status_code == 404
            assert (await client.patch(f"/items/{item_id}", json={"name": "new"})).status_code == 404
            assert (await client.delete(f"/items/{item_id}")).status_code == 404
            assert (await client.post(f"/items/{item_id}/appraisal")).status_code == 404
    await service.show(owner_id, 2)
    assert await visible() == 2
    assert (await owner.get(f"/items/{ids[0]}")).status_code == 200


async def test_a_deleted_owners_listings_are_gone_and_others_are_told(
    owner: httpx2.AsyncClient, service: OwnerService, visible: Visible, owner_id: int, database: Database
) -> None:
    await service.hide(owner_id, 1)
    await service.end(owner_id, 2)
    await service.show(owner_id, 3)
    assert await visible() == 0
    again = await owner.post("/items", json={"name": "three", "price": "1"})
    assert (again.status_code, again.json()["code"]) == (401, "token_invalid"), "deleted is for good"
    assert await kinds(database, owner_id) == ["item.created"] * 2 + ["item.deleted"] * 2


async def test_each_order_of_delivery_ends_the_same(
    service: OwnerService, database: Database, live: LiveApp, identity: TestIdentity
) -> None:
    """Deactivated, reactivated, deactivated again: hidden at the end, with every event delivered twice."""
    events = {1: service.hide, 2: service.show, 3: service.hide}
    for order in itertools.permutations(events):
        someone = next(_ids)
        async with http_client(live.url, headers=identity.headers(someone)) as client:
            created = await client.post("/items", json={"name": "one", "price": "1"})
            for sequence in (*order, *order):
                await events[sequence](someone, sequence)
            assert (await client.get(created.headers["Location"])).status_code == 404, order
        async with database.transaction() as connection:
            row = (await connection.execute(sa.select(owners).where(owners.c.id == someone))).one()
        assert (row.state, row.sequence) == ("deactivated", 3)


async def test_deletion_is_final_even_when_it_comes_first(
    owner: httpx2.AsyncClient, service: OwnerService, visible: Visible, owner_id: int, database: Database
) -> None:
    await service.end(owner_id, 3)
    await service.hide(owner_id, 1)
    await service.show(owner_id, 2)
    await service.end(owner_id, 3)
    assert await visible() == 0
    assert (await kinds(database, owner_id)).count("item.deleted") == 2


@pytest.mark.parametrize("change", ["hide", "end"])
async def test_a_token_that_outlives_its_account_lists_nothing(
    owner: httpx2.AsyncClient, service: OwnerService, visible: Visible, owner_id: int, change: str
) -> None:
    await getattr(service, change)(owner_id, 1)
    refused = await owner.post("/items", json={"name": "three", "price": "1"})
    assert (refused.status_code, refused.json()["code"]) == (401, "token_invalid")
    await service.show(owner_id, 2)
    assert await visible() == (2 if change == "hide" else 0)


async def test_no_listing_slips_through_while_its_owner_is_deleted(
    database: Database, redis: Redis, cache: ReadCache[Item]
) -> None:
    """Creations and the deletion at the same time: what was created before is deleted, the rest refused."""
    factory = Factory(database)
    items = factory.items(factory.idempotency(24), cache)
    for _ in range(20):
        someone = next(_ids)
        caller = Caller(id=someone, session_id="s", scopes=frozenset({"read", "write"}), expires_at=0)
        creations = [items.create(NewItem(name="n", price="1"), caller) for _ in range(3)]
        await asyncio.gather(
            creations[0], *creations[1:], factory.owners(redis).end(someone, 1), return_exceptions=True
        )
        with pytest.raises(OwnerGone):
            await items.create(NewItem(name="n", price="1"), caller)
        left = sa.text("SELECT count(*) FROM items WHERE owner_id = :id")
        async with database.transaction() as connection:
            assert await connection.scalar(left, {"id": someone}) == 0
        told = await kinds(database, someone)
        assert told.count("item.created") == told.count("item.deleted")


@pytest.mark.parametrize("way", ["one", "import"])
async def test_a_deletion_waits_for_the_listing_that_is_being_made(
    database: Database, redis: Redis, cache: ReadCache[Item], eventually: Eventually, way: str
) -> None:
    """Else it would not see the listing, which is not committed, and the listing would stay for ever."""
    factory = Factory(database)
    someone = next(_ids)
    caller = Caller(id=someone, session_id="s", scopes=frozenset({"read", "write"}), expires_at=0)

    async def lines() -> AsyncIterator[bytes]:
        yield b'{"name": "n", "price": "1"}\n'

    async def waiting() -> int:
        async with database.transaction() as connection:
            blocked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            return int(await connection.scalar(sa.text(blocked)) or 0)

    async with database.transaction() as connection:
        await connection.execute(
            sa.text("LOCK TABLE outbox IN SHARE MODE")
        )  # the last statement of both ways
        if way == "one":
            items = factory.items(factory.idempotency(24), cache)
            making = asyncio.ensure_future(items.create(NewItem(name="n", price="1"), caller))
        else:
            making = asyncio.ensure_future(factory.imports(24).take(f"import-{someone}", 1, lines(), caller))
        await eventually(waiting, 1)
        ending = asyncio.ensure_future(factory.owners(redis).end(someone, 1))

        async def waits_or_is_over() -> bool:
            return ending.done() or await waiting() == 2

        await eventually(waits_or_is_over, True)
    await asyncio.gather(making, ending)
    left = sa.text("SELECT count(*) FROM items WHERE owner_id = :id")
    async with database.transaction() as connection:
        assert await connection.scalar(left, {"id": someone}) == 0
    assert await kinds(database, someone) == ["item.created", "item.deleted"]


async def test_changes_are_told_with_the_listing_as_it_is(
    owner: httpx2.AsyncClient, owner_id: int, database: Database, diamond: dict[str, Any]
) -> None:
    created = await owner.post("/items", json={"name": "d", "price": "12.5", "features": diamond})
    path = created.headers["Location"]
    assert (await owner.patch(path, json={"price": "13"})).status_code == 200
    assert (await owner.delete(path)).status_code == 204
    query = sa.select(outbox.c.kind, outbox.c.data).where(
        outbox.c.data["item_id"].as_integer() == created.json()["id"]
    )
    async with database.transaction() as connection:
        rows = (await connection.execute(query.order_by(outbox.c.sequence))).all()
    assert [row.kind for row in rows] == ["item.created", "item.changed", "item.deleted"]
    assert [row.data.get("price") for row in rows] == ["12.50", "13.00", None]
    assert rows[0].data["features"] == diamond
    assert rows[2].data == {"item_id": created.json()["id"], "owner_id": owner_id}


async def test_more_listings_than_fit_into_one_transaction_are_hidden_and_ended(
    owner: httpx2.AsyncClient,
    service: OwnerService,
    visible: Visible,
    owner_id: int,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("items.owners.BATCH", 2)
    for number in range(5):
        assert (await owner.post("/items", json={"name": str(number), "price": "1"})).status_code == 201
    assert await visible() == 7
    await service.hide(owner_id, 1)
    assert await visible() == 0
    await service.show(owner_id, 2)
    assert await visible() == 7
    await service.end(owner_id, 3)
    assert (await kinds(database, owner_id)).count("item.deleted") == 7


async def test_what_a_crash_left_undone_is_done_when_the_event_comes_again(
    owner: httpx2.AsyncClient,
    service: OwnerService,
    visible: Visible,
    owner_id: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as crashed:
        crashed.setattr(OwnerService, "_settle_some", crash)
        with pytest.raises(ConnectionResetError):
            await service.end(owner_id, 1)
    assert await visible() == 2
    await service.end(owner_id, 1)
    assert await visible() == 0


async def crash(*_: Any) -> int:
    raise ConnectionResetError
