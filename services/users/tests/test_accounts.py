"""/users/me."""

import asyncio
from dataclasses import replace

import pytest

from users.tables import users

NEW = "another long password"


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_nobody_has_an_account_without_a_token(client, method):
    answer = await client.request(method, "/users/me")
    assert (answer.status_code, answer.json()["code"]) == (401, "token_missing")


@pytest.mark.parametrize("token", ["x", "a.b.c", "é", "Bearer", "x" * 5000], ids=lambda token: token[:9])
async def test_an_invented_token_is_401(client, token):
    answer = await client.get("/users/me", headers=[(b"Authorization", f"Bearer {token}".encode("latin-1"))])
    assert answer.status_code == 401


async def test_a_token_signed_with_another_key_is_401(client, identity, person):
    answer = await client.get("/users/me", headers=identity.headers(person.id))
    assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")


async def test_i_can_read_my_account(person):
    answer = await person.ask("GET", "/users/me")
    assert answer.status_code == 200
    assert (answer.json()["id"], answer.json()["email"]) == (person.id, person.email)
    assert set(answer.json()) == {
        *("id", "email", "email_verified", "name", "is_active", "is_admin", "created_at"),
    }


async def test_a_key_can_read_my_account(person):
    assert (await (await person.with_key()).ask("GET", "/users/me")).json()["id"] == person.id


async def test_an_account_that_is_gone_is_401_at_once(person, store):
    """Deleted behind everybody's back: the token itself is still good."""
    async with store.transaction() as tx:
        await tx.users.remove(person.id)
    answer = await person.ask("GET", "/users/me")
    assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


async def test_an_account_that_is_inactive_is_401_at_once(person, alter):
    await alter(users, person.id, is_active=False)
    for method in ("GET", "DELETE"):
        answer = await person.ask(method, "/users/me")
        assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")
    assert (await person.refresh()).status_code == 401


async def test_my_name_needs_no_password(person):
    answer = await person.ask("PATCH", "/users/me", json={"name": " Grace "})
    assert (answer.status_code, answer.json()["name"]) == (200, "Grace")
    assert (await person.ask("GET", "/users/me")).json()["name"] == "Grace"


async def test_what_is_left_out_stays(person):
    before = (await person.ask("GET", "/users/me")).json()
    answer = await person.ask("PATCH", "/users/me", json={"name": "Grace"})
    assert (answer.status_code, answer.json()) == (200, {**before, "name": "Grace"})


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"current_password": "x"},
        {"name": None},
        {"password": None, "current_password": "x"},
        {"name": "Grace", "current_password": None},
        {"email": "new@example.com", "current_password": "x"},
        {"password": NEW},
        {"password": "short", "current_password": "x"},
        {"name": ""},
        {"name": "a\x00b"},
        {"is_admin": True},
        {"is_active": False},
        {"id": 1},
        [],
    ],
)
async def test_a_change_that_is_not_right_is_422(person, change):
    answer = await person.ask("PATCH", "/users/me", json=change)
    assert answer.status_code == 422
    assert (await person.ask("GET", "/users/me")).json()["email"] == person.email


@pytest.mark.parametrize("change", [{"password": NEW}, {"name": "Grace"}])
async def test_a_wrong_current_password_changes_nothing(person, change):
    before = (await person.ask("GET", "/users/me")).json()
    answer = await person.ask("PATCH", "/users/me", json={**change, "current_password": "wrong"})
    assert (answer.status_code, answer.json()["code"]) == (403, "wrong_password")
    assert (await person.ask("GET", "/users/me")).json() == before
    assert (await person.sign_in()).status_code == 200


async def test_a_new_password_ends_all_other_sessions(person, people, refused):
    other = await person.again()
    change = {"password": NEW, "current_password": people.account()["password"]}
    answer = await person.ask("PATCH", "/users/me", json=change)
    assert answer.status_code == 200
    assert NEW not in answer.text
    await refused(other)
    assert (await other.refresh()).status_code == 401
    assert (await person.ask("GET", "/users/me")).status_code == 200
    assert (await person.refresh()).status_code == 200
    assert (await person.sign_in()).status_code == 401
    assert (await person.sign_in(NEW)).status_code == 200


async def test_a_new_password_may_not_be_a_common_one(person, people):
    change = {"password": "iloveyou", "current_password": people.account()["password"]}
    answer = await person.ask("PATCH", "/users/me", json=change)
    assert (answer.status_code, answer.json()["code"]) == (422, "password_too_common")
    assert (await person.sign_in()).status_code == 200


async def test_of_two_password_changes_at_once_one_wins(person, people):
    current = people.account()["password"]
    changes = [{"password": f"{NEW} {number}", "current_password": current} for number in range(2)]
    answers = await asyncio.gather(*(person.ask("PATCH", "/users/me", json=change) for change in changes))
    assert sorted(answer.status_code for answer in answers) == [200, 403]


async def test_a_key_cannot_change_or_close_my_account(person):
    key = await person.with_key()
    for method, options in (("PATCH", {"json": {"name": "Eve"}}), ("DELETE", {})):
        answer = await key.ask(method, "/users/me", **options)
        assert (answer.status_code, answer.json()["code"]) == (403, "session_required")


async def test_closing_my_account_ends_everything(person, refused):
    other, key = await person.again(), await person.make_key()
    with_key = await person.with_key()
    assert (await person.ask("DELETE", "/users/me")).status_code == 204
    for one in (person, other, with_key):
        await refused(one)
    assert (await other.refresh()).status_code == 401
    assert (await person.sign_in()).status_code == 401
    assert (await person.exchange(key["key"])).status_code == 401


async def test_the_email_of_a_closed_account_is_free(person, people):
    await person.ask("DELETE", "/users/me")
    assert (await people.sign_up(email=person.email)).id != person.id


async def test_what_registration_shows_is_what_is_stored(client, people, person):
    """So that a client need not read it once more before its first change."""
    wanted = people.account()
    made = await client.post("/users", json=wanted)
    account = await replace(person, id=made.json()["id"], email=wanted["email"]).again()
    seen = await account.ask("GET", "/users/me", headers={"If-None-Match": made.headers["ETag"]})
    assert seen.status_code == 304


async def test_my_account_is_not_sent_again_and_not_overwritten(person):
    """`If-None-Match` and `If-Match`; a shared cache must not keep it."""
    seen = await person.ask("GET", "/users/me")
    tag = {"If-Match": seen.headers["ETag"]}
    assert seen.headers["Cache-Control"] == "private, no-cache"
    known = await person.ask("GET", "/users/me", headers={"If-None-Match": seen.headers["ETag"]})
    assert (known.status_code, known.content) == (304, b"")
    assert (await person.ask("PATCH", "/users/me", json={"name": "Grace"}, headers=tag)).status_code == 200
    lost = await person.ask("PATCH", "/users/me", json={"name": "Edsger"}, headers=tag)
    assert (lost.status_code, lost.json()["code"]) == (412, "precondition_failed")
    assert (await person.ask("GET", "/users/me")).json()["name"] == "Grace"
