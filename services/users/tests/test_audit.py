"""What happens to accounts is written down with what happens, and administrators can read it."""

import contextlib
from datetime import timedelta
from functools import partial

import pytest

from shared.testing.pages import pages
from users.audit import AuditService
from users.clock import utc_now
from users.exceptions import LastAdmin
from users.tables import audit_events

PASSWORD = "correct horse battery staple"


@pytest.fixture
def kinds(admin):
    """`await kinds(person)`: what the log says of somebody, the newest first."""

    async def read(person, **query):
        asked = {"user_id": person.id, **query}
        answer = await admin.ask("GET", "/audit-events", params=asked)
        assert answer.status_code == 200, answer.text
        return [event["kind"] for event in answer.json()]

    return read


async def test_what_i_do_is_written_down(person, kinds):
    await person.sign_in("wrong password")
    key = await person.make_key(scopes=["read"])
    await person.ask("DELETE", f"/users/me/api-keys/{key['id']}")
    change = {"password": "another long password", "current_password": PASSWORD}
    await person.ask("PATCH", "/users/me", json=change)
    await person.ask("DELETE", "/users/me/sessions")
    await person.ask("POST", "/auth/logout")
    assert await kinds(person) == [
        *("signed_out", "session_ended", "password_changed", "api_key_revoked", "api_key_created"),
        *("sign_in_failed", "signed_in", "registered"),
    ]


async def test_what_administrators_do_names_them(admin, person, kinds):
    await admin.ask("PATCH", f"/users/{person.id}", json={"is_active": False})
    await admin.ask("DELETE", f"/users/{person.id}")
    query = {"user_id": person.id, "limit": 2}
    removed, changed = (await admin.ask("GET", "/audit-events", params=query)).json()
    assert (removed["kind"], changed["kind"]) == ("account_removed", "account_changed")
    assert {removed["actor_id"], changed["actor_id"]} == {admin.id}
    assert changed["detail"] == {"is_active": False}
    assert changed["request_id"]
    assert set(changed) == {"id", "at", "kind", "user_id", "actor_id", "request_id", "detail"}


async def test_a_command_is_nobody(person, admin, admins):
    await admins.set_admin(person.email, admin=True)
    query = {"user_id": person.id, "kind": "account_changed"}
    [event] = (await admin.ask("GET", "/audit-events", params=query)).json()
    assert (event["actor_id"], event["detail"]) == (0, {"is_admin": True})


async def test_what_did_not_happen_is_not_written_down(person, kinds, people, store):
    with contextlib.suppress(LastAdmin):
        async with store.transaction() as tx:
            await tx.audit.add("account_closed", person.id)
            raise LastAdmin
    assert "account_closed" not in await kinds(person)


async def test_no_secret_is_written_down(person, admin):
    await person.sign_in("never to be logged")
    key = await person.make_key()
    written = (await admin.ask("GET", "/audit-events", params={"limit": 100})).text
    for secret in ("never to be logged", key["key"], person.email, *map(str, person.tokens.values())):
        assert secret in {"bearer", "900"} or secret not in written


async def test_pages_go_back_in_time(person, admin):
    for _ in range(5):
        await person.sign_in("wrong password")
    first = await admin.ask("GET", "/audit-events", params={"user_id": person.id, "limit": 3})
    assert first.headers["X-Total-Count"] == "7"
    await person.sign_in("wrong password")  # comes before all pages but the first
    rest = pages(partial(admin.ask, "GET"), first.links["next"]["url"])
    seen = [event["id"] for event in first.json()]
    seen += [event["id"] async for page in rest for event in page.json()]
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 7


async def test_a_cursor_of_another_filter_is_422(admin, person):
    await person.sign_in("wrong password")
    page = await admin.ask("GET", "/audit-events", params={"user_id": person.id, "limit": 1})
    query = page.links["next"]["url"].partition("?")[2].replace(f"user_id={person.id}", "user_id=1")
    answer = await admin.ask("GET", f"/audit-events?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "cursor_invalid")


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "cursor=é", "user_id=x", "kind=nonsense", f"user_id={2**70}"]
)
async def test_a_query_that_cannot_be_is_422(admin, query):
    assert (await admin.ask("GET", f"/audit-events?{query}")).status_code == 422


async def test_what_is_too_old_is_forgotten(store, person, kinds, database):
    async with store.transaction() as tx:
        await tx.audit.add("signed_out", person.id)
    old = utc_now() - timedelta(days=31)
    async with database.transaction() as connection:
        aged = audit_events.update().where(
            audit_events.c.user_id == person.id, audit_events.c.kind == "signed_out"
        )
        await connection.execute(aged.values(at=old))
    await AuditService(store, 32).forget()
    assert "signed_out" in await kinds(person)
    await AuditService(store, 30).forget()
    assert await kinds(person) == ["signed_in", "registered"]
