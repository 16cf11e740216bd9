"""A token is ours, whole and in time, or its bearer stays outside."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from shared.identity import StaticKeys, TokenVerifier
from shared.identity.exceptions import TokenInvalid
from shared.identity.tokens import LEEWAY
from shared.testing import TestIdentity

OURS = TestIdentity()


class CountingKeys(StaticKeys):
    asked = 0

    async def find(self, key_id: str) -> Any:
        self.asked += 1
        return await super().find(key_id)


@pytest.fixture
def keys() -> CountingKeys:
    return CountingKeys(OURS.jwks)


@pytest.fixture
def verifier(keys: CountingKeys) -> TokenVerifier:
    return TokenVerifier(keys, "facet", "facet")


def part(value: Any) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def claims(**changed: Any) -> dict[str, Any]:
    return {**jwt.decode(OURS.token(7), options={"verify_signature": False}), **changed}


def signed(header: dict[str, Any], key: Any = OURS.key, algorithm: str = "ES256", **changed: Any) -> str:
    return jwt.encode(
        claims(**changed), key, algorithm, headers={"typ": "at+jwt", "kid": OURS.key_id, **header}
    )


def public_pem() -> bytes:
    return OURS.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def hs256(secret: bytes) -> str:
    """By hand: PyJWT itself refuses to use a public key as a secret."""
    head = f"{part({'alg': 'HS256', 'typ': 'at+jwt', 'kid': OURS.key_id})}.{part(claims())}"
    return f"{head}.{part(hmac.digest(secret, head.encode(), hashlib.sha256))}"


async def test_a_valid_token_names_its_caller(verifier: TokenVerifier) -> None:
    caller = await verifier.verify(OURS.token(7, admin=True, sid="s-1", scope="admin read"))
    assert (caller.id, caller.session_id, caller.scopes) == (7, "s-1", {"admin", "read"})
    assert caller.is_admin
    assert caller.expires_at > time.time()
    assert not (await verifier.verify(OURS.token(8))).is_admin


TAMPERED: dict[str, Callable[[], str]] = {
    "alg none": lambda: f"{part({'alg': 'none', 'typ': 'at+jwt', 'kid': OURS.key_id})}.{part(claims())}.",
    "alg None": lambda: f"{part({'alg': 'None', 'typ': 'at+jwt', 'kid': OURS.key_id})}.{part(claims())}.",
    "ES256 without a signature": lambda: OURS.token(7).rpartition(".")[0] + ".",
    "HS256 with the public key": lambda: hs256(public_pem()),
    "HS256 with the JWK": lambda: hs256(json.dumps(OURS.jwks["keys"][0]).encode()),
    "RS256": lambda: signed({}, rsa.generate_private_key(65537, 2048), "RS256"),
    "ES384": lambda: signed({}, ec.generate_private_key(ec.SECP384R1()), "ES384"),
    "foreign key, our kid": lambda: signed({}, ec.generate_private_key(ec.SECP256R1())),
    "unknown kid": lambda: signed({"kid": "someone-elses"}),
    "no kid": lambda: jwt.encode(claims(), OURS.key, "ES256", headers={"typ": "at+jwt"}),
    "typ JWT": lambda: signed({"typ": "JWT"}),
    "typ of a refresh token": lambda: signed({"typ": "rt+jwt"}),
    "no typ": lambda: signed({"typ": None}),
    "wrong issuer": lambda: signed({}, iss="elsewhere"),
    "wrong audience": lambda: signed({}, aud="elsewhere"),
    "issuer as a list": lambda: raw_payload(json.dumps(claims(iss=["facet"])).encode()),
    "expired": lambda: OURS.token(7, lifetime=-LEEWAY - 1),
    "of a lifetime that no issuer gives": lambda: signed({}, exp=int(time.time()) + 3601),
    "of a lifetime from long ago": lambda: signed({}, iat=1, exp=int(time.time()) + 60),
    "iat no number": lambda: signed({}, iat="now"),
    "not yet valid": lambda: signed({}, nbf=int(time.time()) + 600),
    "issued in the future": lambda: signed({}, iat=int(time.time()) + 600),
    **{
        f"without {name}": lambda name=name: OURS.token(7, **{name: None})
        for name in claims()
        if name != "scope"
    },  # type: ignore[misc]  # binds the name
    "sub no number": lambda: signed({}, sub="seven"),
    "sub no string": lambda: signed({}, sub=7),
    "sub empty": lambda: signed({}, sub=""),
    "exp no number": lambda: expiring(b'"soon"'),
    "exp beyond numbers": lambda: expiring(b"1e999"),
    "claims no object": lambda: raw_payload(b"[1]"),
    "claims no JSON": lambda: raw_payload(b"{"),
    "payload changed": lambda: swapped(1, part(claims(sub="1", scope="admin"))),
    "header changed": lambda: swapped(0, part({"alg": "ES256", "typ": "at+jwt", "kid": OURS.key_id, "x": 1})),
    "signature of another token": lambda: swapped(2, OURS.token(8).split(".")[2]),
    "signature cut": lambda: OURS.token(7)[:-4],
    "header of deep lists": lambda: f"{part(b'[' * 2900)}.e30.e30",
    "header no object": lambda: f"{part([1])}.e30.e30",
    "kid no string": lambda: f"{part({'alg': 'ES256', 'typ': 'at+jwt', 'kid': [1]})}.e30.e30",
    "critical extension": lambda: signed({"crit": ["x"], "x": 1}),
    "oversize": lambda: signed({}, extra="x" * 4096),
    "garbage": lambda: "garbage",
    "two parts": lambda: "a.b",
    "four parts": lambda: OURS.token(7) + ".a",
    "no base64": lambda: "%%%.%%%.%%%",
    "beyond ASCII": lambda: "é.ü.💎",
    "empty": lambda: "",
    "dots": lambda: "..",
}


def raw_payload(payload: bytes) -> str:
    headers = {"typ": "at+jwt", "kid": OURS.key_id}
    return jwt.api_jws.encode(payload, OURS.key, "ES256", headers=headers)


def expiring(number: bytes) -> str:
    """Rightly signed, and odd all the same."""
    text = json.dumps(claims(exp=0)).encode().replace(b'"exp": 0', b'"exp": ' + number)
    return raw_payload(text)


def swapped(position: int, other: str) -> str:
    parts = OURS.token(7).split(".")
    parts[position] = other
    return ".".join(parts)


@pytest.mark.parametrize("make", TAMPERED.values(), ids=TAMPERED.keys())
async def test_a_tampered_token_is_refused(verifier: TokenVerifier, make: Callable[[], str]) -> None:
    token = make()
    for _ in range(2):  # the second time too: a refusal is not remembered as anything else
        with pytest.raises(TokenInvalid):
            await verifier.verify(token)


async def test_an_oversize_token_is_not_even_parsed(verifier: TokenVerifier, keys: CountingKeys) -> None:
    with pytest.raises(TokenInvalid):
        await verifier.verify(TAMPERED["oversize"]())
    assert keys.asked == 0


async def test_a_token_that_was_verified_is_not_verified_again(
    verifier: TokenVerifier, keys: CountingKeys
) -> None:
    token = OURS.token(7)
    callers = [await verifier.verify(token) for _ in range(5)]
    assert keys.asked == 1
    assert all(caller is callers[0] for caller in callers)


async def test_a_kept_token_expires_on_time(
    verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch, keys: CountingKeys
) -> None:
    token = OURS.token(7, lifetime=60)
    caller = await verifier.verify(token)
    monkeypatch.setattr("shared.identity.tokens.time.time", lambda: caller.expires_at + LEEWAY - 1)
    await verifier.verify(token)
    assert verifier.known(token) is caller
    for now in (caller.expires_at + LEEWAY, caller.expires_at + LEEWAY + 1):
        monkeypatch.setattr("shared.identity.tokens.time.time", lambda now=now: now)
        assert verifier.known(token) is None
        with pytest.raises(TokenInvalid):
            await verifier.verify(token)
        monkeypatch.undo()
        await verifier.verify(token)
    assert keys.asked == 3  # an expired one is dropped


async def test_a_kept_token_ends_with_its_key() -> None:
    old, new = TestIdentity(), TestIdentity()
    keys = StaticKeys({"keys": [*old.jwks["keys"], *new.jwks["keys"]]})
    verifier = TokenVerifier(keys, "facet", "facet")
    kept, other = old.token(1), new.token(2)
    for token in (kept, other):
        await verifier.verify(token)
    del keys._keys[old.key_id]
    assert verifier.known(kept) is None
    for _ in range(2):
        with pytest.raises(TokenInvalid):
            await verifier.verify(kept)
    assert (await verifier.verify(other)).id == 2


async def test_clocks_may_differ_by_the_leeway(verifier: TokenVerifier) -> None:
    now = int(time.time())
    assert (await verifier.verify(OURS.token(7, lifetime=-2))).id == 7
    assert (await verifier.verify(OURS.token(8, iat=now + 3, exp=now + 60))).id == 8


async def test_the_longest_lifetime_is_accepted(keys: CountingKeys) -> None:
    verifier = TokenVerifier(keys, "facet", "facet", longest=900)
    assert (await verifier.verify(OURS.token(7, lifetime=900))).id == 7
    with pytest.raises(TokenInvalid):
        await verifier.verify(OURS.token(7, lifetime=901))


async def test_no_more_tokens_are_kept_than_said_and_the_least_used_goes(keys: CountingKeys) -> None:
    verifier = TokenVerifier(keys, "facet", "facet", cache_size=2)
    one, two, three = (OURS.token(number) for number in (1, 2, 3))
    for token in (one, two, one, three):  # two is now the least used
        await verifier.verify(token)
    assert keys.asked == 3
    await verifier.verify(one)
    await verifier.verify(three)
    assert keys.asked == 3
    await verifier.verify(two)
    assert keys.asked == 4
    assert len(verifier._verified) == 2
