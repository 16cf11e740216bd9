"""Signing in, refreshing, signing out."""

import base64
import contextlib
import json
from datetime import timedelta

import jwt
import pytest
from jwt import PyJWK
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from redis.exceptions import ConnectionError as RedisConnectionError

from shared.exceptions import DatabaseUnavailable
from shared.identity.caller import Caller
from shared.testing import served
from users import passwords as hashing
from users.clock import utc_now
from users.credentials import RefreshToken, digest
from users.domain import Client
from users.exceptions import Busy, InvalidCredentials
from users.keys import derived
from users.main import create_app
from users.passwords import Passwords
from users.store import Store
from users.tables import sessions, users


@pytest.fixture(scope="session")
def stored(store):
    """What Postgres holds of a session, if anything."""

    async def look(session_id):
        async with store.transaction() as tx:
            return await tx.sessions.by_id(session_id)

    return look


@pytest.fixture
def sign_in_with(factory):
    """The rules, with passwords (a subclass) that do something in between, and maybe another store."""
    opened = []

    def make(passwords, store=None):
        opened.append(passwords(1, 1, 5.0))
        made = factory.sign_in(opened[-1])
        made._store = store or made._store
        return made

    yield make
    for passwords in opened:
        passwords.close()


@pytest.fixture
def later(alter):
    """`await later(person)`: as if the session's last refresh had been a while ago."""

    async def age(person):
        await alter(sessions, claims(person.tokens)["sid"], rotated_at=utc_now() - timedelta(seconds=6))

    return age


HERE = Client("192.0.2.1", "tests")
PASSWORD = "correct horse battery staple"


def claims(tokens):
    return jwt.decode(tokens["access_token"], options={"verify_signature": False})


async def test_anyone_may_ask_for_a_token(person):
    answer = await person.sign_in()
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json()
    assert set(body) == {"access_token", "token_type", "expires_in", "refresh_token"}
    assert (body["token_type"], body["expires_in"]) == ("bearer", 900)


async def test_an_access_token_is_what_rfc_9068_says(client, person):
    keys = (await client.get("/.well-known/jwks.json")).json()["keys"]
    token = person.tokens["access_token"]
    header = jwt.get_unverified_header(token)
    assert header == {"typ": "at+jwt", "alg": "ES256", "kid": keys[0]["kid"]}
    said = jwt.decode(token, PyJWK(keys[0]), algorithms=["ES256"], audience="facet", issuer="facet")
    assert set(said) == {"iss", "aud", "sub", "client_id", "sid", "scope", "iat", "exp", "jti"}
    assert (said["sub"], said["scope"], said["client_id"]) == (str(person.id), "read write", "facet")
    assert said["exp"] - said["iat"] == 900


async def test_no_two_tokens_are_the_same(person):
    other = await person.again()
    assert claims(other.tokens)["jti"] != claims(person.tokens)["jti"]
    assert claims(other.tokens)["sid"] != claims(person.tokens)["sid"]


async def test_an_administrator_gets_the_admin_scope(admin):
    assert claims(admin.tokens)["scope"] == "read write admin"


async def test_the_email_is_found_whatever_its_case(client, people, person):
    form = {"username": f"  {person.email.upper()} ", "password": people.account()["password"]}
    assert (await client.post("/auth/token", data=form)).status_code == 200


async def test_wrong_password_unknown_email_and_inactive_account_look_the_same(client, people, person, admin):
    password = people.account()["password"]
    inactive = await people.sign_up()
    await admin.ask("PATCH", f"/users/{inactive.id}", json={"is_active": False})
    tried = [
        (person.email, "wrong password"),
        ("nobody@example.com", password),
        ("not an email", password),
        ("a\x00b@example.com", password),
        ("x" * 400 + "@example.com", password),
        (inactive.email, password),
        (person.email, password + " "),
        (person.email, "x" * 50_000),
    ]
    seen = set()
    for email, given in tried:
        answer = await client.post("/auth/token", data={"username": email, "password": given})
        body = answer.json()
        assert (answer.status_code, body.pop("code")) == (401, "invalid_credentials")
        body.pop("request_id")
        seen.add(json.dumps(body, sort_keys=True))
    assert len(seen) == 1


@pytest.mark.parametrize("email", [None, "nobody@example.com", "not an email"])
async def test_whoever_asks_costs_one_hash(sign_in_with, person, email):
    computed = []

    class Counting(Passwords):
        async def _run(self, work):
            computed.append(work)
            return await super()._run(work)

    with pytest.raises(InvalidCredentials):
        await sign_in_with(Counting).sign_in(email or person.email, "wrong password", HERE)
    assert len(computed) == 1


async def test_who_finds_the_queue_full_costs_no_question_to_postgres(sign_in_with):
    class Full(Passwords):
        def admit(self):
            raise Busy

    class Untouched:
        def transaction(self):
            raise AssertionError("it was asked")

    with pytest.raises(Busy):
        await sign_in_with(Full, Untouched()).sign_in("a@example.com", "x", HERE)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "application/x-www-form-urlencoded"),
        (b"username=a@example.com", "application/x-www-form-urlencoded"),
        (b"username=a@example.com&password=x&grant_type=refresh_token", "application/x-www-form-urlencoded"),
        (b'{"username": "a@example.com", "password": "x"}', "application/json"),
        (b"username=a&password=x", "text/plain"),
    ],
)
async def test_what_is_no_password_form_is_422(client, body, kind):
    answer = await client.post("/auth/token", content=body, headers={"Content-Type": kind})
    assert answer.status_code == 422, answer.text


@pytest.mark.parametrize("charset", ["utf-8", "unicode_escape", "hex", "nonsense"])
async def test_a_form_in_any_charset_is_no_server_error(client, charset):
    parts = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n\\ud800\r\n'
        for name in ("username", "password")
    )
    kind = {"Content-Type": f"multipart/form-data; boundary=b; charset={charset}"}
    answer = await client.post("/auth/token", content=f"{parts}--b--\r\n".encode(), headers=kind)
    assert answer.status_code == 401, answer.text


async def test_bytes_that_are_no_utf8_are_wrong_credentials(client):
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await client.post("/auth/token", content=b"username=%ff%00&password=%ed%a0%80", headers=kind)
    assert answer.status_code == 401


@pytest.mark.parametrize("change", [{"is_active": False}, {"password_hash": "of a new one"}])
async def test_a_sign_in_during_a_change_gets_no_session(sign_in_with, alter, people, person, change):
    """The password is verified, then the account is changed, then the sign-in goes on."""

    class Slow(Passwords):
        async def verify(self, password, stored):
            matches = await super().verify(password, stored)
            await alter(users, person.id, **change)
            return matches

    with pytest.raises(InvalidCredentials):
        await sign_in_with(Slow).sign_in(person.email, people.account()["password"], HERE)


async def test_refreshing_gives_a_working_pair_of_the_same_session(person):
    answer = await person.refresh()
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json()
    assert set(body) == {"access_token", "token_type", "expires_in", "refresh_token"}
    assert body["refresh_token"] != person.tokens["refresh_token"]
    assert claims(body)["sid"] == claims(person.tokens)["sid"]
    person.tokens = body
    assert (await person.ask("GET", "/users/me")).status_code == 200
    assert (await person.refresh()).status_code == 200


async def test_a_used_refresh_token_ends_its_session(person, refused, stored, later):
    first = person.tokens["refresh_token"]
    person.tokens = (await person.refresh()).json()
    await later(person)
    answer = await person.refresh(first)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_refresh_token")
    assert (await stored(claims(person.tokens)["sid"])).ended_at is not None
    assert (await person.refresh()).status_code == 401, "the newest token is dead too"
    await refused(person)


async def test_a_much_older_refresh_token_ends_its_session_too(person, refused):
    first = person.tokens["refresh_token"]
    for _ in range(3):
        person.tokens = (await person.refresh()).json()
    assert (await person.refresh(first)).status_code == 401
    await refused(person)


async def test_reuse_ends_that_session_only(person, later):
    other = await person.again()
    await person.refresh()
    await later(person)
    assert (await person.refresh()).status_code == 401
    assert (await other.refresh()).status_code == 200
    assert (await other.ask("GET", "/users/me")).status_code == 200


async def test_concurrent_refreshes_with_one_token_get_the_same_successor(person, held_up):
    """Two tabs, or a client that did not receive its answer. One refresh token is live."""
    sid = claims(person.tokens)["sid"]
    answers = await held_up(sessions, sid, *(person.refresh() for _ in range(4)))
    assert [answer.status_code for answer in answers] == [200] * 4
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    assert {claims(answer.json())["sid"] for answer in answers} == {sid}
    person.tokens = answers[0].json()
    assert (await person.refresh()).status_code == 200


async def test_grace_ends_when_the_successor_has_been_used(person, refused):
    first = person.tokens["refresh_token"]
    for _ in range(2):
        person.tokens = (await person.refresh()).json()
    assert (await person.refresh(first)).status_code == 401, "it is older than the last one"
    assert (await person.refresh()).status_code == 401
    await refused(person)


async def test_without_grace_a_used_token_ends_its_session_at_once(settings, people):
    strict = settings.model_copy(update={"refresh_grace_seconds": 0.0})
    async with served(create_app(strict)) as live:
        person = await type(people)(live.client, None).sign_up()
        assert (await person.refresh()).status_code == 200
        assert (await person.refresh()).status_code == 401


async def test_a_successor_cannot_be_computed_without_the_service(person, factory):
    presented = RefreshToken.parse(person.tokens["refresh_token"])
    real = (await person.refresh()).json()["refresh_token"]
    assert presented.successor(derived(factory.ring.first, "refresh tokens")).text == real
    assert presented.successor(b"a guess").text != real


async def test_i_can_see_where_i_am_signed_in(person, client):
    form = {"username": person.email, "password": PASSWORD}
    phone = await client.post("/auth/token", data=form, headers={"User-Agent": "Phone/1" + "x" * 300})
    listed = (await person.ask("GET", "/users/me/sessions")).json()
    assert [one["is_current"] for one in listed] == [False, True], "the last used first"
    assert (listed[0]["id"], len(listed[0]["client"])) == (claims(phone.json())["sid"], 200)
    assert set(listed[0]) == {"id", "client", "created_at", "used_at", "expires_at", "is_current"}
    person.tokens = (await person.refresh()).json()
    listed = (await person.ask("GET", "/users/me/sessions")).json()
    assert [one["is_current"] for one in listed] == [True, False]


async def test_one_session_can_be_ended(person, refused):
    other, third = await person.again(), await person.again()
    path = f"/users/me/sessions/{claims(other.tokens)['sid']}"
    assert (await person.ask("DELETE", path)).status_code == 204
    await refused(other)
    assert (await other.refresh()).status_code == 401
    assert len((await person.ask("GET", "/users/me/sessions")).json()) == 2
    assert (await third.refresh()).status_code == 200


async def test_all_other_sessions_can_be_ended(person, refused):
    others = [await person.again() for _ in range(2)]
    assert (await person.ask("DELETE", "/users/me/sessions")).status_code == 204
    for other in others:
        await refused(other)
    assert (await person.ask("GET", "/users/me")).status_code == 200
    assert len((await person.ask("GET", "/users/me/sessions")).json()) == 1


async def test_somebody_elses_session_looks_missing(person, stranger):
    answer = await stranger.ask("DELETE", f"/users/me/sessions/{claims(person.tokens)['sid']}")
    assert (answer.status_code, answer.json()["code"]) == (404, "session_not_found")
    assert (await person.refresh()).status_code == 200


@pytest.mark.parametrize("session_id", ["x", "0", "A" * 32, "a" * 33, "%00", "key-1"])
async def test_a_session_id_that_cannot_be_is_422(person, session_id):
    assert (await person.ask("DELETE", f"/users/me/sessions/{session_id}")).status_code == 422


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("DELETE", ""), ("DELETE", "/" + "a" * 32)])
async def test_sessions_are_for_those_who_signed_in(client, person, method, path):
    assert (await client.request(method, f"/users/me/sessions{path}")).json()["code"] == "token_missing"
    key = await person.with_key()
    assert (await key.ask(method, f"/users/me/sessions{path}")).json()["code"] == "session_required"


async def test_the_oldest_session_makes_room_for_one_too_many(settings, people, refused):
    few = settings.model_copy(update={"most_sessions": 3})
    async with served(create_app(few)) as live:
        oldest = await type(people)(live.client, None).sign_up()
        second = await oldest.again()
        oldest.tokens = (
            await oldest.refresh()
        ).json()  # now the second is the one that was not used for longest
        newer = [await oldest.again() for _ in range(2)]
        await refused(second)
        assert (await second.refresh()).status_code == 401
        for one in (oldest, *newer):
            assert (await one.ask("GET", "/users/me")).status_code == 200


@pytest.mark.parametrize(
    "token", ["", ".", "x", "x" * 512, "..", "a.b", "\x00", "\ud800.x", "é.ü"], ids=ascii
)
async def test_an_invented_refresh_token_is_401(client, token):
    body, kind = json.dumps({"refresh_token": token}), {"Content-Type": "application/json"}
    answer = await client.post("/auth/refresh", content=body, headers=kind)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_refresh_token")


@pytest.mark.parametrize("body", [{}, [], {"refresh_token": None}, {"refresh_token": 5}, None, "x"])
async def test_what_is_no_refresh_is_422(client, body):
    assert (await client.post("/auth/refresh", json=body)).status_code == 422


async def test_a_refresh_token_longer_than_any_is_422(client):
    answer = await client.post("/auth/refresh", json={"refresh_token": "x" * 513})
    assert answer.status_code == 422
    assert "xxx" not in answer.text


async def test_a_session_id_is_not_enough_to_end_a_session(person, client):
    sid = claims(person.tokens)["sid"]
    assert (await client.post("/auth/refresh", json={"refresh_token": f"{sid}.x"})).status_code == 401
    assert (await person.refresh()).status_code == 200


async def test_an_expired_session_cannot_be_refreshed(person, alter):
    await alter(sessions, claims(person.tokens)["sid"], expires_at=utc_now() - timedelta(seconds=1))
    answer = await person.refresh()
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_refresh_token")


async def test_a_session_of_an_inactive_account_cannot_be_refreshed(person, alter):
    """Even if it had not been ended with the account's deactivation."""
    await alter(users, person.id, is_active=False)
    answer = await person.refresh()
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_refresh_token")


async def test_only_digests_of_a_refresh_token_are_stored(person, stored):
    family, secret = person.tokens["refresh_token"].split(".")
    session = await stored(claims(person.tokens)["sid"])
    assert (session.family_digest, session.refresh_digest) == (digest(family), digest(secret))
    assert len(base64.urlsafe_b64decode(secret + "=")) == 32


async def test_sessions_that_are_over_are_forgotten_at_the_next_sign_in(person, alter, stored):
    other = await person.again()
    fresh = await person.again()
    long_ago = utc_now() - timedelta(hours=1)
    for one, column in ((person, "ended_at"), (other, "expires_at")):
        await alter(sessions, claims(one.tokens)["sid"], **{column: long_ago})
    await person.again()
    assert await stored(claims(person.tokens)["sid"]) is None
    assert await stored(claims(other.tokens)["sid"]) is None
    assert await stored(claims(fresh.tokens)["sid"]) is not None


async def test_nobody_can_sign_out_without_a_token(client):
    answer = await client.post("/auth/logout")
    assert (answer.status_code, answer.json()["code"]) == (401, "token_missing")


async def test_signing_out_ends_the_session_everywhere(person, refused):
    answer = await person.ask("POST", "/auth/logout")
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await person.refresh()).status_code == 401
    await refused(person)


async def test_signing_out_may_be_repeated(person):
    for _ in range(3):
        assert (await person.ask("POST", "/auth/logout")).status_code == 204


async def test_signing_out_leaves_other_sessions_alone(person, refused):
    other = await person.again()
    await person.ask("POST", "/auth/logout")
    await refused(person)
    assert (await other.ask("GET", "/users/me")).status_code == 200
    assert (await other.refresh()).status_code == 200


async def test_an_api_key_cannot_sign_out(person):
    answer = await (await person.with_key()).ask("POST", "/auth/logout")
    assert (answer.status_code, answer.json()["code"]) == (403, "session_required")


async def test_a_logout_whose_commit_failed_can_be_repeated(factory, database, store, redis, person):
    """Were the end announced before the commit, the gateway would refuse the token that repeats it."""

    class Failing(Store):
        @contextlib.asynccontextmanager
        async def transaction(self):
            with contextlib.suppress(ZeroDivisionError):
                async with store.transaction() as tx:
                    yield tx
                    raise ZeroDivisionError
            raise DatabaseUnavailable

    sid = claims(person.tokens)["sid"]
    caller = Caller(person.id, sid, frozenset(), 0)
    service = factory.sessions()
    service._store = Failing(database)
    with pytest.raises(DatabaseUnavailable):
        await service.sign_out(caller)
    assert await redis.zscore("identity:ended", sid) is None
    assert (await person.ask("GET", "/users/me")).status_code == 200
    assert (await person.ask("POST", "/auth/logout")).status_code == 204
    assert (await person.refresh()).status_code == 401


async def test_a_logout_that_could_not_be_announced_can_be_repeated(factory, redis, person):
    """Redis went away between the look at it and the announcement."""
    sid = claims(person.tokens)["sid"]
    caller = Caller(person.id, sid, frozenset(), 0)
    service = factory.sessions()

    class Deaf:
        def __init__(self, revoker):
            self.require_redis, self.end_session = revoker.require_redis, revoker.end_session

        async def announce(self, ended):
            assert sid in ended
            raise RedisConnectionError

    service._revoker = Deaf(service._revoker)
    with pytest.raises(RedisConnectionError):
        await service.sign_out(caller)
    assert (await person.refresh()).status_code == 401, "it has ended here"
    await factory.sessions().sign_out(caller)
    assert await redis.zscore("identity:ended", sid) is not None


async def test_a_session_of_a_deleted_account_can_be_signed_out(factory, redis):
    await factory.sessions().sign_out(Caller(1, "gone", frozenset(), 0))
    assert await redis.zscore("identity:ended", "gone") is not None


async def test_signing_in_upgrades_a_hash_of_older_parameters(person, alter, store):
    old = PasswordHash((Argon2Hasher(1, 8_192, 1),)).hash(PASSWORD)
    await alter(users, person.id, password_hash=old)
    for _ in range(2):
        assert (await person.sign_in()).status_code == 200
        async with store.transaction() as tx:
            stored = (await tx.users.by_id(person.id)).password_hash
        assert stored.startswith(f"$argon2id$v=19$m={hashing.MEMORY_KIB},t=2,p=1$")
