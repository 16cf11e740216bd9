"""Signing keys and the JWKS."""

import base64

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from shared.identity import TokenVerifier
from users.key_ring import KeyRing
from users.keys import jwk, private_key, public_keys
from users.tokens import TokenSigner


def pem(key, password=None):
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    ).decode()


def public_pem(key):
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


RSA = rsa.generate_private_key(65537, 2048)
OTHER_CURVE = ec.generate_private_key(ec.SECP384R1())
P256 = ec.generate_private_key(ec.SECP256R1())


async def test_anyone_may_read_the_keys(client):
    answer = await client.get("/.well-known/jwks.json")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    [key] = answer.json()["keys"]
    assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}, "and nothing of the private half"


def test_a_key_is_named_by_its_thumbprint():
    """RFC 7638, section 3.2: only the required members count. The key is RFC 7517's, appendix A.1."""
    x = "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4"
    y = "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"
    numbers = ec.EllipticCurvePublicNumbers(*(_number(part) for part in (x, y)), ec.SECP256R1())
    named = jwk(numbers.public_key())
    assert (named["x"], named["y"]) == (x, y)
    assert named["kid"] == "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s"


def _number(text):
    return int.from_bytes(base64.urlsafe_b64decode(text + "="))


@pytest.mark.parametrize(
    "wrong", ["", "x", public_pem(P256), pem(RSA), pem(OTHER_CURVE), pem(P256, b"secret"), "é"]
)
def test_what_cannot_sign_is_refused(wrong):
    with pytest.raises(ValueError, match=r"not an? .*(key|P-256)"):
        private_key(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        "x",
        public_pem(P256) + "x",
        public_pem(RSA),
        pem(OTHER_CURVE),
        public_pem(OTHER_CURVE),
        "-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----",
        "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----",
    ],
)
def test_what_cannot_verify_is_refused(wrong):
    with pytest.raises(ValueError, match=r"key|P-256|stands there"):
        public_keys(wrong)


def signer_of(settings):
    """And its ring, when no rotation was ever made."""
    ring = KeyRing(settings)
    ring.update([])
    return TokenSigner(settings, ring), ring


async def test_tokens_of_a_retired_key_stay_valid(settings, new_key):
    before, _ = signer_of(settings)
    token = before.access_token(7, "s", scopes=[], lifetime=60)
    for retired in (settings.signing_key.get_secret_value(), public_pem(_key_of(settings))):
        changed = {"signing_key": new_key(), "retired_keys": retired + "\n" + public_pem(P256)}
        after, ring = signer_of(type(settings)(**{**settings.model_dump(), **changed}))
        assert len(ring.jwks["keys"]) == 3
        assert not any("d" in key for key in ring.jwks["keys"])
        verifier = TokenVerifier(ring, "facet", "facet")
        assert (await verifier.verify(token)).id == 7
        assert (await verifier.verify(after.access_token(8, "s", scopes=["admin"], lifetime=60))).is_admin


def _key_of(settings):
    return private_key(settings.signing_key.get_secret_value())


def test_a_key_that_is_current_and_retired_is_published_once(settings):
    changed = {"retired_keys": settings.signing_key.get_secret_value()}
    _, ring = signer_of(type(settings)(**{**settings.model_dump(), **changed}))
    assert len(ring.jwks["keys"]) == 1
