"""POST /users."""

import asyncio
import json

import pytest

from shared.testing import served
from users.main import create_app
from users.tables import users as table


async def post(client, wanted):
    """As escaped JSON, which can hold what UTF-8 cannot."""
    kind = {"Content-Type": "application/json"}
    return await client.post("/users", content=json.dumps(wanted), headers=kind)


async def test_anyone_may_register(client, people):
    wanted = people.account(name="  Ada Lovelace ")
    answer = await client.post("/users", json=wanted)
    assert answer.status_code == 201
    body = answer.json()
    assert set(body) == {
        *("id", "email", "email_verified", "name", "is_active", "is_admin", "created_at"),
    }
    assert (body["email"], body["name"]) == (wanted["email"], "Ada Lovelace")
    assert (body["is_active"], body["is_admin"]) == (True, False)
    assert body["created_at"].endswith(("Z", "+00:00"))


async def test_an_email_is_trimmed_and_lower_cased(client, people):
    email = people.account()["email"]
    answer = await client.post("/users", json=people.account(email=f" {email.upper()}\n"))
    assert answer.status_code == 201
    assert answer.json()["email"] == email


async def test_an_email_is_taken_whatever_its_case(client, people, person):
    answer = await client.post("/users", json=people.account(email=person.email.upper()))
    assert answer.status_code == 409
    assert answer.json()["code"] == "email_taken"


async def test_of_many_registrations_of_one_email_one_wins(client, people):
    wanted = people.account()
    answers = await asyncio.gather(*(client.post("/users", json=wanted) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"email_taken"}


@pytest.mark.parametrize(
    "changed",
    [
        {"email": "nobody"},
        {"email": "nobody@localhost"},
        {"email": "x" * 400 + "@example.com"},
        {"email": "a\x00b@example.com"},
        {"email": "a\ud800@example.com"},
        {"email": "a@example.com\r\nBcc: b@example.com"},
        {"email": ""},
        {"email": None},
        {"email": 5},
        {"email": ["a@example.com"]},
        {"name": ""},
        {"name": "   "},
        {"name": "\u200b\u202e \ufe0f"},
        {"name": "x" * 101},
        {"name": "a\x00b"},
        {"name": "\ud800"},
        {"name": {"first": "Ada"}},
        {"password": "x" * 7},
        {"password": "\ud800" * 8},  # no form can hold it, so nobody could sign in with it
        {"password": "x" * 129},
        {"password": None},
        {"password": 12345678},
        {"is_admin": True},
        {"\ud800": "half a surrogate pair as a name"},
    ],
    ids=ascii,
)
async def test_what_is_not_right_is_422_and_never_echoed(client, people, changed):
    answer = await post(client, people.account(**changed))
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == "validation_error"
    for value in changed.values():
        assert not (isinstance(value, str) and len(value) > 6 and value in answer.text)


@pytest.mark.parametrize("alike", ["\uff41", "\ufb01", "\u017f", "a\ufe0f", "\u115fa", "\u2170"], ids=ascii)
async def test_an_email_that_looks_like_another_is_refused_and_an_old_one_stays_good(
    client, people, person, alter, alike
):
    email = f"{alike}{person.email}"
    answer = await client.post("/users", json=people.account(email=email))
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["body", "email"])
    wanted = {"email": email, "current_password": people.account()["password"]}
    assert (await person.ask("POST", "/users/me/email", json=wanted)).json()["code"] == "validation_error"
    await alter(table, person.id, email=email)
    person.email = email
    assert (await person.sign_in()).status_code == 200


async def test_a_flood_of_unknown_fields_is_one_error(client, people):
    answer = await post(client, people.account(**{f"field{number}": number for number in range(3000)}))
    assert answer.status_code == 422
    assert answer.json()["detail"] == "body: Value error, has too many fields"


@pytest.mark.parametrize("body", [b"[]", b"null", b'"a"', b"5", b"{}"])
async def test_a_body_that_is_no_registration_is_422(client, body):
    answer = await client.post("/users", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422


async def test_malformed_json_is_400(client):
    answer = await client.post("/users", content=b"{", headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["code"] == "malformed_json"


async def test_a_password_of_ten_megabytes_is_413(client, people):
    answer = await client.post("/users", json=people.account(password="x" * 10_000_000))
    assert answer.status_code == 413


@pytest.mark.parametrize("password", ["eight\x00ch", "🔑" * 128, " " * 8], ids=ascii)
async def test_a_password_may_hold_anything(client, people, password):
    account = people.account(password=password)
    answer = await post(client, account)
    assert answer.status_code == 201
    assert password not in answer.text
    form = {"username": account["email"], "password": password}
    assert (await client.post("/auth/token", data=form)).status_code == 200


async def test_a_common_password_is_422(client, people):
    answer = await client.post("/users", json=people.account(password="Password1"))
    assert (answer.status_code, answer.json()["code"]) == (422, "password_too_common")
    assert "Password1" not in answer.text


async def test_a_name_may_be_in_any_script(client, people):
    answer = await client.post("/users", json=people.account(name="Ада 愛達 👩‍💻"))
    assert answer.json()["name"] == "Ада 愛達 👩‍💻"


async def test_an_email_in_another_script_can_sign_in(client, people):
    answer = await client.post("/users", json=people.account(email="Ünïcöde.ŻÓŁĆ@EXÄMPLE.com"))
    assert answer.status_code == 201
    assert answer.json()["email"] == "ünïcöde.żółć@exämple.com"
    form = {"username": "ÜNÏCÖDE.żółć@exämple.COM", "password": people.account()["password"]}
    assert (await client.post("/auth/token", data=form)).status_code == 200


@pytest.mark.usefixtures("real_hashes")
async def test_too_many_at_once_are_told_to_come_back(settings, people):
    """A flood of registrations costs its own callers, and nobody else."""
    narrow = settings.model_copy(update={"hash_threads": 1, "hash_queue": 1})
    async with served(create_app(narrow)) as live:
        flood = [live.client.post("/users", json=people.account()) for _ in range(12)]
        *answers, calm = await asyncio.gather(*flood, live.client.get("/health"))
    assert calm.status_code == 200
    assert {answer.status_code for answer in answers} == {201, 503}
    refusal = next(answer for answer in answers if answer.status_code == 503)
    assert (refusal.json()["code"], refusal.headers["Retry-After"]) == ("busy", "1")


async def test_only_a_hash_of_the_password_is_stored(store, people):
    wanted = people.account()
    person = await people.sign_up(**wanted)
    async with store.transaction() as tx:
        user = await tx.users.by_id(person.id)
    assert user.password_hash.startswith("$argon2id$v=19$")
    assert wanted["password"] not in user.password_hash
