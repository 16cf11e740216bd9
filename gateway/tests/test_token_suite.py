"""Forged tokens, each through the gateway and at a service directly: none is accepted."""

import base64
import contextlib
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import jwt
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import serialization
from fastapi import APIRouter, FastAPI

from shared.app import build_app
from shared.identity import StaticKeys, TokenVerifier
from shared.identity.dependencies import CurrentCaller
from shared.settings import ServiceSettings
from shared.testing import LiveApp, TestIdentity, served

Forge = Callable[[TestIdentity], str]


def encode(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def claims_of(identity: TestIdentity, **changed: Any) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(identity.token(), options={"verify_signature": False})
    return {**claims, **changed}


def signed(identity: TestIdentity, head: bytes | None = None, claims: bytes | None = None) -> str:
    """Signed with the real key, whatever its parts say."""
    usual = {"typ": "at+jwt", "alg": "ES256", "kid": identity.key_id}
    first = encode(json.dumps(usual).encode() if head is None else head)
    second = encode(json.dumps(claims_of(identity)).encode() if claims is None else claims)
    signature = jwt.get_algorithm_by_name("ES256").sign(f"{first}.{second}".encode(), identity.key)
    return f"{first}.{second}.{encode(signature)}"


def with_head(**changed: Any) -> Forge:
    def forge(identity: TestIdentity) -> str:
        head = {"typ": "at+jwt", "alg": "ES256", "kid": identity.key_id, **changed}
        return signed(identity, json.dumps({k: v for k, v in head.items() if v is not None}).encode())

    return forge


def with_claims(**changed: Any) -> Forge:
    def forge(identity: TestIdentity) -> str:
        claims = claims_of(identity, **changed)
        return signed(
            identity, claims=json.dumps({k: v for k, v in claims.items() if v is not None}).encode()
        )

    return forge


def by_another_key(**head: Any) -> Forge:
    def forge(identity: TestIdentity) -> str:
        other = TestIdentity()
        given = {"typ": "at+jwt", "kid": identity.key_id}
        given |= {name: other.jwks["keys"][0] if value == "jwk" else value for name, value in head.items()}
        return jwt.encode(claims_of(identity), other.key, "ES256", headers=given)

    return forge


def unsigned(algorithm: str) -> Forge:
    def forge(identity: TestIdentity) -> str:
        head = {"typ": "at+jwt", "alg": algorithm, "kid": identity.key_id}
        return f"{encode(json.dumps(head).encode())}.{identity.token().split('.')[1]}."

    return forge


def hs_with_public_key(identity: TestIdentity) -> str:
    pem = identity.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    head = {"typ": "at+jwt", "alg": "HS256", "kid": identity.key_id}
    text = f"{encode(json.dumps(head).encode())}.{identity.token().split('.')[1]}"

    return f"{text}.{encode(hmac.digest(pem, text.encode(), hashlib.sha256))}"


def duplicate_claim(identity: TestIdentity) -> str:
    """The last value wins in most parsers, the first in some: both are not good."""
    text = json.dumps(claims_of(identity, exp=int(time.time()) - 60))
    return signed(identity, claims=text.replace('{"iss"', '{"exp": 9999999999, "iss"').encode())


def of_parts(change: Callable[[list[str]], list[str]]) -> Forge:
    return lambda identity: ".".join(change(identity.token().split(".")))


def flipped(place: int) -> Forge:
    def change(parts: list[str]) -> list[str]:
        data = bytearray(base64.urlsafe_b64decode(parts[place] + "=="))
        data[len(data) // 2] ^= 1
        return [*parts[:place], encode(bytes(data)), *parts[place + 1 :]]

    return of_parts(change)


CASES: dict[str, Forge] = {
    **{f"alg {name!r}": unsigned(name) for name in ("none", "None", "NONE", "nOnE", "", "HS256", "ES256")},
    "hs256 with the public key": hs_with_public_key,
    "es384": with_head(alg="ES384"),
    "embedded jwk": by_another_key(jwk="jwk"),
    "jku": by_another_key(jku="http://127.0.0.1/jwks.json"),
    "x5u": by_another_key(x5u="http://127.0.0.1/x5u"),
    "unknown kid": with_head(kid="unknown"),
    "huge kid": with_head(kid="k" * 3000),
    "traversing kid": with_head(kid="../../../../dev/null"),
    "kid of another type": with_head(kid=7),
    "no kid": with_head(kid=None),
    "typ jwt": with_head(typ="JWT"),
    "typ of a refresh token": with_head(typ="rt+jwt"),
    "no typ": with_head(typ=None),
    "crit": with_head(crit=["exp"]),
    "b64 false": with_head(b64=False, crit=["b64"]),
    "wrong iss": with_claims(iss="elsewhere"),
    "list of iss": with_claims(iss=["facet"]),
    "wrong aud": with_claims(aud="elsewhere"),
    "no aud": with_claims(aud=None),
    "no exp": with_claims(exp=None),
    "exp nan": with_claims(exp=float("nan")),
    "exp infinite": with_claims(exp=float("inf")),
    "exp huge": with_claims(exp=10**30),
    "exp as text": with_claims(exp="soon"),
    "expired": with_claims(exp=int(time.time()) - 60),
    "nbf ahead": with_claims(nbf=int(time.time()) + 600),
    "iat ahead": with_claims(iat=int(time.time()) + 600),
    "no sid": with_claims(sid=None),
    "no sub": with_claims(sub=None),
    "sub no number": with_claims(sub="admin"),
    "duplicate exp": duplicate_claim,
    "claims no object": lambda identity: signed(identity, claims=b"[]"),
    "claims no json": lambda identity: signed(identity, claims=b"{"),
    "head no object": lambda identity: signed(identity, head=b"[]"),
    "head deeply nested": lambda identity: signed(identity, head=b"[" * 1500),
    "truncated": lambda identity: identity.token()[:-3],
    "head flipped": flipped(0),
    "claims flipped": flipped(1),
    "signature flipped": flipped(2),
    "r = s = 0": of_parts(lambda parts: [*parts[:2], encode(bytes(64))]),
    "empty signature": of_parts(lambda parts: [*parts[:2], ""]),
    "signature in DER": of_parts(lambda parts: [*parts[:2], encode(b"\x30\x44" + bytes(68))]),
    "whitespace inside": lambda identity: identity.token().replace(".", ". ", 1),
    **{
        f"{count} segments": of_parts(lambda parts, count=count: (parts * 3)[:count])
        for count in (1, 2, 4, 5, 8)
    },
}


class SampleSettings(ServiceSettings):
    service: str = "sample"
    port: int = 0
    log_format: str = "json"


@pytest_asyncio.fixture(scope="module")
async def service(identity: TestIdentity) -> AsyncIterator[LiveApp]:
    """A service as it stands behind the gateway."""
    router = APIRouter()

    @router.get("/mine")
    async def mine(caller: CurrentCaller) -> int:
        return caller.id

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        yield {"checks": [], "verifier": TokenVerifier(StaticKeys(identity.jwks), "facet", "facet")}

    app = build_app(SampleSettings(), title="sample", lifespan=lifespan, routers=[router])
    async with served(app) as live:
        yield live


async def asked(live: LiveApp, token: str) -> httpx2.Response:
    return await live.client.get("/mine", headers=[(b"Authorization", b"Bearer " + token.encode("latin-1"))])


async def test_the_token_that_they_are_made_from_is_good(door: LiveApp, service: LiveApp, identity) -> None:
    for token in (identity.token(), signed(identity)):
        assert (await asked(door, token)).status_code == 200
        assert (await asked(service, token)).status_code == 200


@pytest.mark.parametrize("case", CASES)
async def test_a_forged_token_is_accepted_nowhere(
    door: LiveApp, service: LiveApp, items, identity: TestIdentity, heard, case: str
) -> None:
    token = CASES[case](identity)
    for live in (door, service):
        for _ in range(2):  # a refusal must not leave anything behind that lets the next one in
            response = await asked(live, token)
            assert (response.status_code, response.json()["code"]) == (401, "token_invalid")
    assert items.requests == []
    assert heard.errors == []


async def test_a_key_that_was_retired_ends_its_tokens(identity: TestIdentity) -> None:
    keys = StaticKeys(identity.jwks)
    verifier = TokenVerifier(keys, "facet", "facet")
    token = identity.token()
    await verifier.verify(token)
    assert verifier.known(token) is not None
    keys._keys.clear()
    assert verifier.known(token) is None
