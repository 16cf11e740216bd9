"""API keys: exchanged once, kept for a while, and never shown to anybody but `users`."""

import asyncio
import json
import secrets
import time
import uuid
from datetime import datetime, timedelta, timezone

import pytest
from pydantic import SecretStr

from gateway import api_keys
from gateway.api_keys import ApiKeys
from gateway.exceptions import ApiKeyInvalid
from gateway.upstreams import Upstream
from shared.identity.revocations import publish_end
from shared.testing import LiveApp, TestIdentity

PROBLEM = b"HTTP/1.1 401 Unauthorized\r\ncontent-type: application/problem+json\r\n"


@pytest.fixture
def key() -> str:
    """Another one for each test: the gateway remembers."""
    return f"fct_{secrets.token_urlsafe()}"


@pytest.fixture
def exchange(users, identity: TestIdentity, answer):
    """Makes `users` give this token for any key."""

    def give(token: str, expires_in: float = 900) -> None:
        users.answer = answer(json.dumps({"access_token": token, "expires_in": expires_in}).encode())

    return give


async def test_a_key_becomes_a_token_and_never_reaches_the_upstream(
    door: LiveApp, items, users, identity: TestIdentity, exchange, key: str
) -> None:
    token = identity.token(7)
    exchange(token)
    response = await door.client.get(f"/mine?seen={key[:3]}", headers={"X-API-Key": key})
    assert response.status_code == 200
    assert items.last.values(b"authorization") == [f"Bearer {token}".encode()]
    assert key.encode() not in items.last.head
    assert [request.line for request in users.requests] == [b"POST /internal/api-keys/exchange HTTP/1.1"]
    assert users.last.values(b"x-api-key") == [key.encode()]
    assert users.last.values(b"x-internal-secret") == [b"known-to-users-and-gateway"]
    assert b"known-to-users" not in items.last.head
    assert users.last.body == b""


async def test_the_exchange_carries_the_ids_of_the_request(
    door: LiveApp, users, identity: TestIdentity, exchange, key: str
) -> None:
    exchange(identity.token())
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    await door.client.get("/mine", headers={"X-API-Key": key, "X-Request-ID": "mine-7", "traceparent": trace})
    assert users.last.values(b"x-request-id") == [b"mine-7"]
    assert users.last.values(b"traceparent")[0].split(b"-")[1] == b"a" * 32


async def test_a_key_is_exchanged_once(
    door: LiveApp, items, users, identity: TestIdentity, exchange, key: str
) -> None:
    exchange(identity.token())
    for _ in range(3):
        assert (await door.client.get("/mine", headers={"X-API-Key": key})).status_code == 200
    assert len(users.requests) == 1
    assert len(items.requests) == 3


async def test_a_crowd_with_one_key_asks_once(
    door: LiveApp, users, identity: TestIdentity, exchange, key: str
) -> None:
    exchange(identity.token())
    statuses = await asyncio.gather(
        *(door.client.get("/mine", headers={"X-API-Key": key}) for _ in range(30))
    )
    assert {response.status_code for response in statuses} == {200}
    assert len(users.requests) == 1


async def test_a_token_near_its_end_is_not_used_again(
    door: LiveApp, users, identity: TestIdentity, exchange, key: str
) -> None:
    exchange(identity.token(lifetime=20), expires_in=20)
    for _ in range(2):
        assert (await door.client.get("/mine", headers={"X-API-Key": key})).status_code == 200
    assert len(users.requests) == 2


async def test_a_key_of_an_administrator_opens_the_office_and_others_do_not(
    door: LiveApp, identity: TestIdentity, exchange
) -> None:
    exchange(identity.token(admin=True))
    assert (await door.client.get("/office", headers={"X-API-Key": uuid.uuid4().hex})).status_code == 200
    exchange(identity.token())
    response = await door.client.get("/office", headers={"X-API-Key": uuid.uuid4().hex})
    assert response.json()["code"] == "admin_only"


async def test_a_refused_key_is_401_and_is_not_asked_about_again_at_once(
    door: LiveApp, items, users, answer, key: str
) -> None:
    users.answer = answer(b"{}", PROBLEM)
    for _ in range(3):
        response = await door.client.get("/mine", headers={"X-API-Key": key})
        assert response.status_code == 401
        assert response.json()["code"] == "invalid_api_key"
        assert response.headers["www-authenticate"] == "Bearer"
    assert len(users.requests) == 1
    assert items.requests == []


async def test_a_refusal_is_not_remembered_for_ever(
    door: LiveApp, users, identity: TestIdentity, answer, key: str, monkeypatch, eventually
) -> None:
    monkeypatch.setattr(api_keys, "REFUSED_FOR", 0.05)
    given = json.dumps({"access_token": identity.token(), "expires_in": 900}).encode()
    answers = iter([answer(b"{}", PROBLEM), answer(given)])

    async def script(peer) -> None:
        while True:
            users.requests.append(await peer.request())
            await peer.send(next(answers))

    users.script = script
    assert (await door.client.get("/mine", headers={"X-API-Key": key})).status_code == 401

    async def let_in() -> bool:
        return (await door.client.get("/mine", headers={"X-API-Key": key})).status_code == 200

    await eventually(let_in)
    assert len(users.requests) == 2


@pytest.mark.parametrize("key", ["", "a" * 257, "cl\xe9", "a\tb"])
async def test_what_can_be_no_key_is_refused_without_asking(door: LiveApp, users, key: str) -> None:
    response = await door.client.get("/mine", headers=[(b"X-API-Key", key.encode("latin-1"))])
    assert response.status_code == 401
    assert response.json()["code"] == "invalid_api_key"
    assert users.requests == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b"{}",
        b'{"access_token": 1, "expires_in": 900}',
        b'{"access_token": "very.secret.token"}',
        b'{"access_token": "very.secret.token", "expires_in": "soon"}',
    ],
)
async def test_a_malformed_answer_is_503_and_is_asked_for_again(
    door: LiveApp, items, users, answer, heard, key: str, body: bytes
) -> None:
    users.answer = answer(body)
    for _ in range(2):
        response = await door.client.get("/mine", headers={"X-API-Key": key})
        assert response.status_code == 503
        assert response.json()["code"] == "api_keys_unavailable"
        assert "retry-after" in response.headers
        assert set(response.json()) == {"type", "title", "status", "instance", "code", "request_id"}
    assert len(users.requests) == 2
    assert items.requests == []
    assert heard.errors == []
    assert "very.secret.token" not in repr(heard.events)


async def test_a_kept_token_that_no_longer_verifies_is_exchanged_once_more(
    door: LiveApp, items, users, identity: TestIdentity, exchange, key: str, monkeypatch
) -> None:
    """As after a step of the clock, or when the machine was suspended: the monotonic clock stood still."""
    monkeypatch.setattr(api_keys, "FRESH", 0.0)
    exchange(identity.token(lifetime=900))
    assert (await door.client.get("/mine", headers={"X-API-Key": key})).status_code == 200
    good = identity.token(lifetime=4000, iat=int(time.time()) + 3200)
    exchange(good)
    monkeypatch.setattr("shared.identity.tokens.time", Later(3200))
    monkeypatch.setattr("jwt.api_jwt.datetime", Later(3200))
    for _ in range(2):
        assert (await door.client.get("/mine", headers={"X-API-Key": key})).status_code == 200
    assert items.last.values(b"authorization") == [f"Bearer {good}".encode()]
    assert len(users.requests) == 2


class Later:
    """Both `time` and `datetime`, that many seconds ahead."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds

    def time(self) -> float:
        return time.time() + self._seconds

    def now(self, tz: timezone) -> datetime:
        return datetime.now(tz) + timedelta(seconds=self._seconds)


async def test_a_fresh_token_that_does_not_verify_is_no_storm_of_exchanges(
    door: LiveApp, users, identity: TestIdentity, exchange, key: str
) -> None:
    exchange(identity.token(lifetime=-60))
    for _ in range(5):
        response = await door.client.get("/mine", headers={"X-API-Key": key})
        assert response.json()["code"] == "token_invalid"
    assert len(users.requests) == 1


async def test_a_dropped_key_that_was_revoked_meanwhile_is_refused(
    users, identity: TestIdentity, exchange, answer, key: str, monkeypatch
) -> None:
    monkeypatch.setattr(api_keys, "FRESH", 0.0)
    token = identity.token()
    exchange(token)
    pool = Upstream("users", [users.url])
    keys = ApiKeys({"users": pool}, SecretStr("internal"), size=10)
    assert await keys.token_for(key) == token
    users.answer = answer(b"{}", PROBLEM)
    assert keys.drop(key, token)
    assert keys.drop(key, token), "another request may have been quicker"
    with pytest.raises(ApiKeyInvalid):
        await keys.token_for(key)
    await pool.close()


async def test_guesses_do_not_push_out_good_keys(
    make_door, users, identity: TestIdentity, exchange, answer
) -> None:
    door = await make_door(key_cache_size=2)
    exchange(identity.token())
    assert (await door.client.get("/mine", headers={"X-API-Key": "good"})).status_code == 200
    users.answer = answer(b"{}", PROBLEM)
    for number in range(10):
        response = await door.client.get("/mine", headers={"X-API-Key": f"guess-{number}"})
        assert response.status_code == 401
    asked = len(users.requests)
    assert (await door.client.get("/mine", headers={"X-API-Key": "good"})).status_code == 200
    assert len(users.requests) == asked


@pytest.mark.parametrize(("sent", "passed"), [(b"7", "7"), (b"soon", "1"), (b"99999", "1"), (b"-1", "1")])
async def test_a_503_of_users_is_passed_on_as_that(
    door: LiveApp, users, answer, heard, key: str, sent: bytes, passed: str
) -> None:
    users.answer = answer(b"{}", b"HTTP/1.1 503 Service Unavailable\r\nretry-after: %s\r\n" % sent)
    response = await door.client.get("/mine", headers={"X-API-Key": key})
    assert (response.status_code, response.headers["retry-after"]) == (503, passed)
    assert [event["status"] for event in heard.named("key_exchange_failed")] == [503]
    assert heard.named("key_exchange_malformed") == []


@pytest.mark.parametrize("status", [400, 403, 404, 500, 503])
async def test_only_401_refuses_a_key(door: LiveApp, users, answer, key: str, status: int) -> None:
    users.answer = answer(b"{}", b"HTTP/1.1 %d X\r\n" % status)
    response = await door.client.get("/mine", headers={"X-API-Key": key})
    assert response.json()["code"] == "api_keys_unavailable"
    assert response.status_code == 503


async def test_when_users_is_down_keys_are_503_and_tokens_go_on(
    make_door, items, identity: TestIdentity, unused_tcp_port: int, key: str
) -> None:
    door = await make_door(users_url=f"http://127.0.0.1:{unused_tcp_port}")
    response = await door.client.get("/mine", headers={"X-API-Key": key})
    assert response.status_code == 503
    assert response.json()["code"] == "api_keys_unavailable"
    assert "127.0.0.1" not in response.text
    assert items.requests == []
    assert (await door.client.get("/mine", headers=identity.headers())).status_code == 200


async def test_when_users_hangs_keys_are_503(door: LiveApp, users, monkeypatch, key: str) -> None:
    monkeypatch.setattr(api_keys, "TIMEOUT", 0.1)

    async def script(peer) -> None:
        users.requests.append(await peer.request())
        await peer.until_closed()

    users.script = script
    response = await door.client.get("/mine", headers={"X-API-Key": key})
    assert response.json()["code"] == "api_keys_unavailable"
    assert len(users.requests) == 1


async def test_a_kept_token_of_an_ended_session_is_refused(
    door: LiveApp, users, identity: TestIdentity, exchange, redis, eventually, key: str
) -> None:
    session = uuid.uuid4().hex
    exchange(identity.token(sid=session))
    assert (await door.client.get("/mine", headers={"X-API-Key": key})).status_code == 200
    await publish_end(redis, [session], 60)

    async def refused() -> bool:
        return (await door.client.get("/mine", headers={"X-API-Key": key})).status_code == 401

    await eventually(refused)
    assert len(users.requests) == 1


async def test_a_key_whose_kept_token_was_revoked_is_exchanged_again(
    door: LiveApp, users, identity: TestIdentity, exchange, redis, eventually, key: str, monkeypatch
) -> None:
    """Its owner was deactivated and reactivated: the key is good, and its earlier tokens are not."""
    monkeypatch.setattr(api_keys, "FRESH", 0.0)
    session = uuid.uuid4().hex
    exchange(identity.token(sid=session))
    assert (await door.client.get("/mine", headers={"X-API-Key": key})).status_code == 200
    exchange(identity.token(sid=uuid.uuid4().hex))
    await publish_end(redis, [session], 60)

    async def exchanged() -> bool:
        assert (await door.client.get("/mine", headers={"X-API-Key": key})).status_code == 200
        return len(users.requests) == 2

    await eventually(exchanged)


async def test_a_token_that_users_should_not_have_given_opens_nothing(
    door: LiveApp, items, identity: TestIdentity, exchange, key: str
) -> None:
    exchange(identity.token(lifetime=-60))
    assert (await door.client.get("/mine", headers={"X-API-Key": key})).status_code == 401
    assert items.requests == []


async def test_a_first_waiter_that_leaves_takes_no_other_along(
    users, identity: TestIdentity, answer, eventually, key: str
) -> None:
    token = identity.token()
    may_answer = asyncio.Event()

    async def script(peer) -> None:
        users.requests.append(await peer.request())
        await may_answer.wait()
        await peer.send(answer(json.dumps({"access_token": token, "expires_in": 900}).encode()))

    users.script = script
    pool = Upstream("users", [users.url])
    keys = ApiKeys({"users": pool}, SecretStr("internal"), size=10)
    first = asyncio.create_task(keys.token_for(key))
    await eventually(lambda: users.requests)
    others = [asyncio.create_task(keys.token_for(key)) for _ in range(5)]
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    may_answer.set()
    assert set(await asyncio.gather(*others)) == {token}
    assert len(users.requests) == 1
    await pool.close()


async def test_the_keys_kept_are_bounded_and_the_least_used_goes_first(
    make_door, users, identity: TestIdentity, exchange
) -> None:
    exchange(identity.token())
    door = await make_door(key_cache_size=2)
    for key in ("first", "second", "first", "third", "first"):
        assert (await door.client.get("/mine", headers={"X-API-Key": key})).status_code == 200
    assert [request.values(b"x-api-key")[0] for request in users.requests] == [b"first", b"second", b"third"]
    await door.client.get("/mine", headers={"X-API-Key": "second"})
    assert len(users.requests) == 4


async def test_a_routes_timeout_covers_the_exchange_of_a_key(make_door, users, key: str) -> None:
    async def never_answer(peer) -> None:
        await peer.until_closed()

    users.script = never_answer
    row = 'prefix="/mine"\nmethods=["GET"]\nupstream="items"\nauth="required"\ntimeout=0.2\nbody_limit=1\n'
    door = await make_door(routes="[[route]]\n" + row)
    response = await door.client.get("/mine", headers={"X-API-Key": key})
    assert (response.status_code, response.json()["code"]) == (504, "gateway_timeout")
