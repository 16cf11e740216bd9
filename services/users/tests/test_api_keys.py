"""API keys, and their exchange for a token."""

from datetime import datetime, timedelta

import jwt
import pytest

from users.clock import utc_now
from users.credentials import digest
from users.tables import api_keys, users


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/users/me/api-keys"),
        ("POST", "/users/me/api-keys"),
        ("DELETE", "/users/me/api-keys/1"),
    ],
)
async def test_nobody_has_keys_without_a_token(client, method, path):
    answer = await client.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_missing")


async def test_a_key_is_shown_once(person):
    answer = await person.ask("POST", "/users/me/api-keys", json={"name": " script ", "expires_in_days": 7})
    assert answer.status_code == 201
    assert answer.headers["Cache-Control"] == "no-store"
    made = answer.json()
    assert set(made) == {
        *("id", "name", "prefix", "scopes", "created_at", "expires_at", "last_used_at", "key"),
    }
    assert made["key"].startswith(f"fk_{made['prefix']}_")
    days = datetime.fromisoformat(made["expires_at"]) - datetime.fromisoformat(made["created_at"])
    assert timedelta(days=6) < days < timedelta(days=8)
    listed = await person.ask("GET", "/users/me/api-keys")
    shown = made.pop("key")
    assert listed.json() == [made]
    assert shown not in listed.text


async def test_only_a_digest_of_a_key_is_stored(person, store):
    made = await person.make_key()
    async with store.transaction() as tx:
        [stored] = await tx.keys.owned_by(person.id)
    assert stored.digest == digest(made["key"])
    assert stored.expires_at is None


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"name": ""},
        {"name": "a\x00b"},
        {"name": "x" * 101},
        {"name": "x", "expires_in_days": 0},
        {"name": "x", "expires_in_days": -1},
        {"name": "x", "expires_in_days": 3651},
        {"name": "x", "expires_in_days": 2**70},
        {"name": "x", "expires_in_days": 1.5},
        {"name": "x", "expires_in_days": True},
        {"name": "x", "expires_in_days": "7"},
        {"name": "x", "scope": "admin"},
        [],
    ],
)
async def test_a_key_that_is_not_right_is_422(person, wanted):
    assert (await person.ask("POST", "/users/me/api-keys", json=wanted)).status_code == 422
    assert (await person.ask("GET", "/users/me/api-keys")).json() == []


async def test_a_key_is_exchanged_for_a_short_plain_token(admin):
    made = await admin.make_key()
    answer = await admin.exchange(made["key"])
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json()
    assert set(body) == {"access_token", "token_type", "expires_in"}
    assert (body["token_type"], body["expires_in"]) == ("bearer", 300)
    said = jwt.decode(body["access_token"], options={"verify_signature": False})
    assert (said["sub"], said["sid"], said["scope"]) == (str(admin.id), f"key-{made['id']}", "read write")
    assert said["exp"] - said["iat"] == 300


@pytest.mark.parametrize("key", [b"", b"x", b"fk_00000000_x", b"x" * 5000, b"\xff\xfe", b"' or 1=1"])
async def test_an_invented_key_is_401(client, key, as_gateway):
    headers = [(b"X-API-Key", key), *((name.encode(), value.encode()) for name, value in as_gateway.items())]
    answer = await client.post("/internal/api-keys/exchange", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_api_key")


async def test_no_key_is_401(client, as_gateway):
    answer = await client.post("/internal/api-keys/exchange", headers=as_gateway)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize("secret", [None, b"", b"known", b"Known-to-users-and-gateway", b"\xff", b"x" * 5000])
async def test_nobody_but_the_gateway_can_exchange_a_key(client, person, secret):
    """Another service on the same network finds no such route, even with a good key."""
    key = (await person.make_key())["key"].encode()
    headers = [(b"X-API-Key", key)] + ([] if secret is None else [(b"X-Internal-Secret", secret)])
    answer = await client.post("/internal/api-keys/exchange", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_a_key_that_may_only_read_changes_nothing(person):
    made = await person.make_key(scopes=["read"])
    assert made["scopes"] == ["read"]
    key = person._with(await person.exchange(made["key"]))
    assert (await key.ask("GET", "/users/me")).status_code == 200
    for method, path, options in (
        ("PATCH", "/users/me", {"json": {"name": "Eve"}}),
        ("POST", "/users/me/api-keys", {"json": {"name": "x"}}),
        ("DELETE", "/users/me", {}),
    ):
        answer = await key.ask(method, path, **options)
        assert answer.status_code == 403, path
        assert answer.json()["code"] in {"insufficient_scope", "session_required"}


@pytest.mark.parametrize(
    "scopes", [[], ["admin"], ["read", "admin"], ["x"], "read", ["read", "write", "read"]]
)
async def test_a_scope_that_no_key_can_have_is_422(person, scopes):
    answer = await person.ask("POST", "/users/me/api-keys", json={"name": "x", "scopes": scopes})
    assert answer.status_code == 422


async def test_a_keys_last_use_is_known_to_the_minute(person, alter):
    made = await person.make_key()

    async def last_use():
        [listed] = (await person.ask("GET", "/users/me/api-keys")).json()
        return listed["last_used_at"]

    assert await last_use() is None
    await person.exchange(made["key"])
    first = await last_use()
    await person.exchange(made["key"])
    assert await last_use() == first
    await alter(api_keys, made["id"], last_used_at=utc_now() - timedelta(minutes=2))
    await person.exchange(made["key"])
    assert await last_use() >= first


async def test_a_token_does_not_outlive_its_key(person, alter):
    made = await person.make_key(expires_in_days=1)
    for left, expected in ((60, 200), (0.5, 401), (-1, 401)):
        await alter(api_keys, made["id"], expires_at=utc_now() + timedelta(seconds=left))
        answer = await person.exchange(made["key"])
        assert answer.status_code == expected
        if expected == 200:
            assert 55 <= answer.json()["expires_in"] <= 60
        else:
            assert answer.json()["code"] == "invalid_api_key"


async def test_a_revoked_key_and_its_tokens_are_refused(person, refused):
    made = await person.make_key()
    with_key = await person.with_key()
    kept, revoked = (await person.ask("GET", "/users/me/api-keys")).json()
    assert kept["id"] == made["id"]
    assert (await person.ask("DELETE", f"/users/me/api-keys/{revoked['id']}")).status_code == 204
    await refused(with_key)
    assert (await person.exchange(made["key"])).status_code == 200
    assert (await person.ask("DELETE", f"/users/me/api-keys/{revoked['id']}")).status_code == 404


async def test_somebody_elses_key_looks_missing(person, stranger):
    made = await person.make_key()
    answer = await stranger.ask("DELETE", f"/users/me/api-keys/{made['id']}")
    assert (answer.status_code, answer.json()["code"]) == (404, "api_key_not_found")
    assert (await stranger.ask("GET", "/users/me/api-keys")).json() == []
    assert (await person.exchange(made["key"])).status_code == 200


@pytest.mark.parametrize("key_id", ["0", "-1", str(2**63), str(2**70), "x", "%00"])
async def test_an_id_that_cannot_be_is_422(person, key_id):
    assert (await person.ask("DELETE", f"/users/me/api-keys/{key_id}")).status_code == 422


async def test_a_key_can_list_keys_but_neither_make_nor_revoke_one(person):
    key = await person.with_key()
    [listed] = (await key.ask("GET", "/users/me/api-keys")).json()
    for method, path, options in (
        ("POST", "/users/me/api-keys", {"json": {"name": "x"}}),
        ("DELETE", f"/users/me/api-keys/{listed['id']}", {}),
    ):
        answer = await key.ask(method, path, **options)
        assert (answer.status_code, answer.json()["code"]) == (403, "session_required")


async def test_twenty_keys_are_enough_even_when_asked_for_at_once(person, store, alter, held_up):
    for _ in range(19):
        await person.make_key(expires_in_days=1)
    asked = (person.ask("POST", "/users/me/api-keys", json={"name": "x"}) for _ in range(4))
    answers = await held_up(users, person.id, *asked)
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 3
    refusal = next(answer for answer in answers if answer.status_code == 409)
    assert (refusal.json()["code"], refusal.json()["limit"]) == ("too_many_api_keys", 20)
    async with store.transaction() as tx:
        first = (await tx.keys.owned_by(person.id))[0]
    await alter(api_keys, first.id, expires_at=utc_now() - timedelta(seconds=1))
    assert (await person.make_key())["id"], "one that has expired does not count"
    assert len((await person.ask("GET", "/users/me/api-keys")).json()) == 20
