"""What other services must know is written in the transaction that makes it true, and only then."""

import pytest
from redis.exceptions import RedisError
from sqlalchemy import text

from users.revoker import Revoker


async def told(database, person):
    """Kinds of the events about a person, in order."""
    query = text("SELECT kind FROM outbox WHERE (data->>'user_id')::bigint = :id ORDER BY sequence")
    async with database.transaction() as connection:
        return list(await connection.scalars(query, {"id": person.id}))


async def test_an_account_that_its_owner_closes_is_told_of_once(person, database):
    assert (await person.ask("DELETE", "/users/me")).status_code == 204
    assert (await person.ask("DELETE", "/users/me")).status_code == 401
    assert await told(database, person) == ["user.deleted"]


async def test_what_an_administrator_does_to_an_account_is_told_in_order(person, admin, database):
    for is_active in (False, False, True, True, False):  # twice the same is one change
        answer = await admin.ask("PATCH", f"/users/{person.id}", json={"is_active": is_active})
        assert answer.status_code == 200
    assert (await admin.ask("DELETE", f"/users/{person.id}")).status_code == 204
    assert await told(database, person) == [
        "user.deactivated",
        "user.reactivated",
        "user.deactivated",
        "user.deleted",
    ]


async def test_what_changes_nothing_for_others_is_not_told(person, admin, database):
    assert (await person.ask("PATCH", "/users/me", json={"name": "Grace"})).status_code == 200
    assert (await admin.ask("PATCH", f"/users/{person.id}", json={"is_admin": True})).status_code == 200
    assert (await admin.ask("PATCH", f"/users/{person.id}", json={"is_admin": False})).status_code == 200
    assert await told(database, person) == []


async def test_what_is_rolled_back_is_not_told(person, admin, database, monkeypatch):
    async def away(*_):
        raise RedisError

    monkeypatch.setattr(Revoker, "end", away)
    answer = await admin.ask("PATCH", f"/users/{person.id}", json={"is_active": False})
    assert answer.status_code >= 500
    assert (await person.ask("DELETE", "/users/me")).status_code >= 500
    assert await told(database, person) == []


async def test_the_event_names_the_request_that_caused_it(person, database):
    answer = await person.ask("DELETE", "/users/me")
    async with database.transaction() as connection:
        query = text("SELECT request_id FROM outbox WHERE (data->>'user_id')::bigint = :id")
        assert await connection.scalar(query, {"id": person.id}) == answer.headers["X-Request-ID"]


@pytest.mark.parametrize("action", ["refused", "unknown"])
async def test_a_change_that_is_refused_is_not_told(person, stranger, admin, database, action):
    if action == "refused":
        assert (await stranger.ask("DELETE", f"/users/{person.id}")).status_code == 403
    else:
        assert (await admin.ask("DELETE", "/users/999999999")).status_code == 404
    assert await told(database, person) == []
