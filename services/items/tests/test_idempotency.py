"""`Idempotency-Key`: whatever is repeated, there is one listing and one answer."""

import asyncio
import uuid
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from items.exceptions import OwnerGone
from items.factory import Factory
from items.idempotency_repository import IdempotencyRepository
from items.tables import idempotency_keys, items
from shared.database import Database

Answer = httpx2.Response
NEW = {"name": "once", "price": "10"}


@pytest.fixture
def key() -> str:
    return str(uuid.uuid4())


def posts(client: httpx2.AsyncClient, key: str, **changed: Any) -> Awaitable[Answer]:
    return client.post("/items", json={**NEW, **changed}, headers={"Idempotency-Key": key})


async def listed(database: Database, name: str) -> int:
    query = sa.select(sa.func.count()).select_from(items).where(items.c.name == name)
    async with database.transaction() as connection:
        return int(await connection.scalar(query) or 0)


def same(first: Answer, again: Answer) -> bool:
    parts = [(one.status_code, one.content, one.headers["Location"]) for one in (first, again)]
    return parts[0] == parts[1]


async def test_a_repeated_request_gets_the_first_answer_and_lists_nothing(
    alice: httpx2.AsyncClient, key: str, database: Database, diamond: dict[str, Any]
) -> None:
    first = await posts(alice, key, name=key, features=diamond)
    assert first.status_code == 201
    for _ in range(3):
        assert same(first, await posts(alice, key, name=key, features=diamond))
    assert await listed(database, key) == 1


async def test_the_first_answer_stays_even_if_the_listing_was_changed_or_deleted(
    alice: httpx2.AsyncClient, key: str
) -> None:
    first = await posts(alice, key)
    path = first.headers["Location"]
    assert (await alice.patch(path, json={"name": "another"})).status_code == 200
    assert same(first, await posts(alice, key))
    assert (await alice.delete(path)).status_code == 204
    assert same(first, await posts(alice, key))
    assert (await alice.get(path)).status_code == 404, "and it is not listed anew"


async def test_twenty_at_once_make_one(alice: httpx2.AsyncClient, key: str, database: Database) -> None:
    answers = await asyncio.gather(*(posts(alice, key, name=key) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {201}
    assert all(same(answers[0], answer) for answer in answers)
    assert await listed(database, key) == 1


async def test_two_bodies_at_once_under_one_key_are_one_listing(
    alice: httpx2.AsyncClient, key: str, database: Database
) -> None:
    both = await asyncio.gather(posts(alice, key, name=f"{key}-1"), posts(alice, key, name=f"{key}-2"))
    assert sorted(answer.status_code for answer in both) == [201, 422]
    assert await listed(database, f"{key}-1") + await listed(database, f"{key}-2") == 1


async def test_another_body_under_the_same_key_is_refused(alice: httpx2.AsyncClient, key: str) -> None:
    first = await posts(alice, key)
    refused = await posts(alice, key, price="11")
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
    assert same(first, await posts(alice, key))


async def test_the_same_body_written_another_way_is_the_same(alice: httpx2.AsyncClient, key: str) -> None:
    first = await posts(alice, key)
    assert same(first, await posts(alice, key, price="10.00", currency="USD"))


async def test_a_key_is_its_callers_own(
    alice: httpx2.AsyncClient, bob: httpx2.AsyncClient, key: str, database: Database
) -> None:
    first = {client: await posts(client, key, name=key) for client in (alice, bob)}
    assert await listed(database, key) == 2
    for client, answer in first.items():
        assert same(answer, await posts(client, key, name=key)), "and each gets its own first answer again"
    assert await listed(database, key) == 2


async def test_without_a_key_each_request_is_a_listing(
    alice: httpx2.AsyncClient, key: str, database: Database
) -> None:
    for _ in range(2):
        assert (await alice.post("/items", json={**NEW, "name": key})).status_code == 201
    assert await listed(database, key) == 2


async def test_a_refused_request_does_not_use_the_key_up(alice: httpx2.AsyncClient, key: str) -> None:
    assert (await posts(alice, key, price="-1")).status_code == 422
    assert (await posts(alice, key)).status_code == 201


async def test_a_failure_in_between_leaves_neither_key_nor_listing(
    alice: httpx2.AsyncClient, key: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> None:
        raise OwnerGone

    with monkeypatch.context() as broken:
        broken.setattr(IdempotencyRepository, "answer", fail)
        assert (await posts(alice, key, name=key)).status_code == 401
    assert await listed(database, key) == 0
    assert (await posts(alice, key, name=key)).status_code == 201
    assert await listed(database, key) == 1


async def test_an_expired_key_is_a_new_one(alice: httpx2.AsyncClient, key: str, database: Database) -> None:
    first = await posts(alice, key, name=key)
    aged = sa.update(idempotency_keys).where(idempotency_keys.c.key == key)
    async with database.transaction() as connection:
        await connection.execute(aged.values(created_at=sa.func.now() - timedelta(hours=25)))
    second = await posts(alice, key, name=key, price="12")
    assert second.status_code == 201
    assert second.json()["id"] != first.json()["id"]
    assert same(second, await posts(alice, key, name=key, price="12"))


async def test_expired_keys_are_deleted(alice: httpx2.AsyncClient, key: str, database: Database) -> None:
    fresh = str(uuid.uuid4())
    for one in (key, fresh):
        await posts(alice, one)
    aged = sa.update(idempotency_keys).where(idempotency_keys.c.key == key)
    async with database.transaction() as connection:
        await connection.execute(aged.values(created_at=sa.func.now() - timedelta(hours=25)))
    await Factory(database).idempotency(24).forget()
    async with database.transaction() as connection:
        left = set(await connection.scalars(sa.select(idempotency_keys.c.key)))
    assert fresh in left
    assert key not in left


async def test_many_expired_keys_are_forgotten_in_several_statements(
    alice: httpx2.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("items.idempotency_repository.FORGOTTEN", 2)
    for number in range(5):
        await alice.post("/items", json=NEW, headers={"Idempotency-Key": f"expired-{number}"})
    aged = sa.update(idempotency_keys).values(created_at=sa.func.now() - timedelta(hours=25))
    async with database.transaction() as connection:
        await connection.execute(aged)
    await Factory(database).idempotency(24).forget()
    async with database.transaction() as connection:
        assert await connection.scalar(sa.select(sa.func.count()).select_from(idempotency_keys)) == 0


@pytest.mark.parametrize("wrong", ["", "two words", "k" * 256, "schlüssel", "tab\tkey"])
async def test_a_malformed_key_is_refused(alice: httpx2.AsyncClient, wrong: str) -> None:
    headers = [(b"Idempotency-Key", wrong.encode("latin-1"))]
    answer = await alice.post("/items", json=NEW, headers=headers)
    assert answer.status_code == 422
    assert "Idempotency-Key" in answer.text


@pytest.mark.parametrize("odd", ["'; DROP TABLE items; --".replace(" ", "_"), '"quoted"', "k" * 255, "!~"])
async def test_an_odd_key_is_a_key(alice: httpx2.AsyncClient, odd: str, key: str) -> None:
    given = f"{odd}"[: 255 - len(key)] + key if len(odd) < 200 else odd
    assert same(await posts(alice, given), await posts(alice, given))


async def test_the_key_is_documented(live: Any) -> None:
    document = (await live.client.get("/openapi.json")).json()
    parameters = document["paths"]["/items"]["post"]["parameters"]
    assert [(one["name"], one["in"], one["required"]) for one in parameters] == [
        ("Idempotency-Key", "header", False)
    ]
