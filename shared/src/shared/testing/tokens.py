"""A signing key of the tests' own, and tokens for any caller."""

import time
import uuid
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

ISSUER = AUDIENCE = "facet"


class TestIdentity:
    """Signs what `users` would sign. `jwks` is its public half; a service is pointed at `jwks_url`."""

    __test__ = False

    def __init__(self, jwks_url: str = "") -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.key_id = uuid.uuid4().hex
        self.jwks_url = jwks_url

    @property
    def jwks(self) -> dict[str, Any]:
        public: dict[str, Any] = ECAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {"keys": [{**public, "kid": self.key_id, "use": "sig", "alg": "ES256"}]}

    def token(self, subject: int = 1, *, admin: bool = False, lifetime: float = 900, **changed: Any) -> str:
        """A valid access token; `changed` replaces claims, and a claim set to None is left out."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(subject),
            "sid": f"session-of-{subject}",
            "scope": "read write admin" if admin else "read write",
            "iat": now,
            "exp": now + int(lifetime),
            "jti": uuid.uuid4().hex,
            **changed,
        }
        kept = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(kept, self.key, "ES256", headers={"typ": "at+jwt", "kid": self.key_id})

    def headers(self, subject: int = 1, **options: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(subject, **options)}"}
