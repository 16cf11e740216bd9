"""An issuer of the bench's own: a fresh key, its JWKS, and tokens as the users service signs them."""

import base64
import hashlib
import json
import time
import uuid
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

NAME = "facet"  # issuer and audience
LIFETIME = 3600  # seconds: longer than any bench


class Issuer:
    """ES256, RFC 9068 access tokens."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._public = ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        self._key_id = _thumbprint(self._public)

    @property
    def jwks(self) -> str:
        return json.dumps({"keys": [{**self._public, "kid": self._key_id, "use": "sig", "alg": "ES256"}]})

    @property
    def private_pem(self) -> str:
        kind = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        return self._key.private_bytes(serialization.Encoding.PEM, *kind).decode()

    def token(self, subject: int) -> str:
        now = int(time.time())
        claims = {
            "iss": NAME,
            "aud": NAME,
            "sub": str(subject),
            "sid": uuid.uuid4().hex,
            "scope": "read write",
            "iat": now,
            "exp": now + LIFETIME,
            "jti": uuid.uuid4().hex,
        }
        return jwt.encode(claims, self._key, "ES256", headers={"typ": "at+jwt", "kid": self._key_id})


def _thumbprint(jwk: Mapping[str, Any]) -> str:
    """RFC 7638, as the users service names the key."""
    members = json.dumps({name: jwk[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(members.encode()).digest()).decode().rstrip("=")


def tampered(token: str) -> str:
    """Another subject under the same signature."""
    head, claims, signature = token.split(".")
    changed = json.loads(base64.urlsafe_b64decode(claims + "=="))
    changed["sub"] = str(int(changed["sub"]) + 1)
    encoded = base64.urlsafe_b64encode(json.dumps(changed).encode()).decode().rstrip("=")
    return f"{head}.{encoded}.{signature}"
