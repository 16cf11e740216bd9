"""Who comes in: tokens, the four kinds of route, and what is known of ended sessions."""

import uuid

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from shared.identity.revocations import publish_end
from shared.testing import LiveApp, TestIdentity

PATHS = {"required": "/mine", "role:admin": "/office", "optional": "/perhaps"}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("path", ["/mine", "/office"])
async def test_without_credentials_nobody_comes_in(door: LiveApp, items, path: str) -> None:
    response = await door.client.get(path)
    assert response.status_code == 401
    assert response.json()["code"] == "token_missing"
    assert response.headers["www-authenticate"] == "Bearer"
    assert items.requests == []


async def test_a_valid_token_comes_in_and_is_passed_on(door: LiveApp, items, identity: TestIdentity) -> None:
    token = identity.token(7)
    for _ in range(2):  # verified, then known
        assert (await door.client.get("/mine", headers=bearer(token))).status_code == 200
        assert items.last.values(b"authorization") == [f"Bearer {token}".encode()]


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer "])
async def test_the_scheme_is_read_in_any_case_and_passed_on_in_one(
    door: LiveApp, items, identity: TestIdentity, scheme: str
) -> None:
    token = identity.token()
    response = await door.client.get("/mine", headers={"Authorization": f"{scheme} {token}"})
    assert response.status_code == 200
    assert items.last.values(b"authorization") == [f"Bearer {token}".encode()]


def _forged(identity: TestIdentity) -> str:
    """Signed by another key under the real one's name."""
    claims = jwt.decode(identity.token(), options={"verify_signature": False})
    header = {"typ": "at+jwt", "kid": identity.key_id}
    return jwt.encode(claims, ec.generate_private_key(ec.SECP256R1()), "ES256", headers=header)


def _tampered(identity: TestIdentity) -> str:
    head, _, signature = identity.token().split(".")
    _, other, _ = identity.token(admin=True).split(".")
    return f"{head}.{other}.{signature}"


def _typed(identity: TestIdentity, kind: str | None, algorithm: str = "ES256") -> str:
    claims = jwt.decode(identity.token(), options={"verify_signature": False})
    key = identity.key if algorithm == "ES256" else None
    return jwt.encode(claims, key, algorithm, headers={"typ": kind, "kid": identity.key_id})


BAD_TOKENS = {
    "forged": _forged,
    "tampered": _tampered,
    "expired": lambda identity: identity.token(lifetime=-60),
    "of another issuer": lambda identity: identity.token(iss="elsewhere"),
    "for another audience": lambda identity: identity.token(aud="elsewhere"),
    "without a session": lambda identity: identity.token(sid=None),
    "without an end": lambda identity: identity.token(exp=None),
    "not an access token": lambda identity: _typed(identity, "JWT"),
    "unsigned": lambda identity: _typed(identity, "at+jwt", "none"),
    "cut off": lambda identity: identity.token()[:-2],
    "longer than any": lambda identity: identity.token(scope="a" * 5000),
    "no token": lambda _: "not-a-token",
    "no text": lambda _: "\xe9.\xff.\x80",
}


@pytest.mark.parametrize("kind", BAD_TOKENS)
@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
async def test_a_token_that_is_not_valid_is_401_and_says_no_more(
    door: LiveApp, items, identity: TestIdentity, heard, kind: str, path: str
) -> None:
    sent = f"Bearer {BAD_TOKENS[kind](identity)}".encode("latin-1")
    response = await door.client.get(path, headers=[(b"Authorization", sent)])
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert response.json() == {
        "type": "urn:facet:problem:token_invalid",
        "title": "The access token is not valid",
        "status": 401,
        "detail": "Refresh it or sign in again.",
        "instance": path,
        "code": "token_invalid",
        "request_id": response.headers["x-request-id"],
    }
    assert items.requests == []
    assert heard.errors == []


@pytest.mark.parametrize("value", ["Basic dTpw", "Bearer", "Token abc", "Bearerabc", ""])
async def test_another_scheme_is_refused(door: LiveApp, items, value: str) -> None:
    response = await door.client.get("/mine", headers={"Authorization": value})
    assert response.status_code == 401
    assert response.json()["code"] == "token_invalid"
    assert items.requests == []


async def test_an_administrators_route_is_for_administrators(
    door: LiveApp, items, identity: TestIdentity
) -> None:
    for scope in (None, "", "administrator", "notadmin", "ADMIN"):
        response = await door.client.get("/office", headers=identity.headers(scope=scope))
        assert response.status_code == 403
        assert response.json()["code"] == "admin_only"
    assert items.requests == []
    assert (await door.client.get("/office", headers=identity.headers(admin=True))).status_code == 200
    both = identity.headers(scope="read admin")
    assert (await door.client.get("/office", headers=both)).status_code == 200


async def test_a_public_route_looks_at_no_credentials_and_passes_none_on(
    door: LiveApp, items, identity: TestIdentity
) -> None:
    for headers in (
        [("Authorization", "Bearer nonsense"), ("X-API-Key", "key")],
        [("Authorization", "Basic dTpw"), ("Authorization", "Basic dTpw")],
        list(identity.headers().items()),
    ):
        assert (await door.client.get("/items", headers=headers)).status_code == 200
        assert items.last.values(b"authorization") == items.last.values(b"x-api-key") == []


async def test_an_optional_route_takes_anybody_or_a_valid_caller(
    door: LiveApp, items, identity: TestIdentity
) -> None:
    assert (await door.client.get("/perhaps")).status_code == 200
    assert items.last.values(b"authorization") == []
    headers = identity.headers()
    assert (await door.client.get("/perhaps", headers=headers)).status_code == 200
    assert items.last.values(b"authorization") == [headers["Authorization"].encode()]


@pytest.mark.parametrize("kinds", ["tt", "kk", "tk", "kt", "ttk"])
@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
async def test_two_credentials_are_refused_whatever_they_are(
    door: LiveApp, items, users, identity: TestIdentity, kinds: str, path: str
) -> None:
    one = {"t": ("Authorization", f"Bearer {identity.token(admin=True)}"), "k": ("X-API-Key", "a-key")}
    response = await door.client.get(path, headers=[one[kind] for kind in kinds])
    assert response.status_code == 400
    assert response.json()["code"] == "credentials_ambiguous"
    assert items.requests == users.requests == []


async def test_an_ended_session_is_known_within_a_second(
    door: LiveApp, items, identity: TestIdentity, redis, eventually
) -> None:
    session, other = uuid.uuid4().hex, uuid.uuid4().hex
    headers = identity.headers(sid=session)
    assert (await door.client.get("/mine", headers=headers)).status_code == 200
    await publish_end(redis, [session], 60)

    async def refused() -> bool:
        return (await door.client.get("/mine", headers=headers)).status_code == 401

    await eventually(refused)
    items.requests.clear()
    for path in ("/mine", "/perhaps", "/office"):
        again = identity.headers(sid=session, admin=True)
        assert (await door.client.get(path, headers=again)).json()["code"] == "token_invalid"
    assert items.requests == []
    assert (await door.client.get("/mine", headers=identity.headers(sid=other))).status_code == 200


async def test_a_session_ended_before_the_start_is_known_from_the_start(
    make_door, identity: TestIdentity, redis
) -> None:
    session = uuid.uuid4().hex
    await publish_end(redis, [session], 60)
    door = await make_door()
    assert (await door.client.get("/mine", headers=identity.headers(sid=session))).status_code == 401


async def test_while_no_key_could_be_fetched_tokens_cannot_be_judged(
    make_door, items, identity: TestIdentity, unused_tcp_port: int
) -> None:
    door = await make_door(jwks_url=f"http://127.0.0.1:{unused_tcp_port}/jwks.json")
    response = await door.client.get("/mine", headers=identity.headers())
    assert response.status_code == 503
    assert response.json()["code"] == "keys_unavailable"
    assert int(response.headers["retry-after"]) >= 1
    assert items.requests == []
    assert (await door.client.get("/items", headers=identity.headers())).status_code == 200


async def test_refusals_name_no_upstream_and_no_token(door: LiveApp, identity: TestIdentity) -> None:
    token = identity.token(lifetime=-5)
    response = await door.client.get("/mine", headers=bearer(token))
    for hidden in ("127.0.0.1", "items", token, "exp", "Error"):
        assert hidden not in response.text.replace("request_id", "")
