"""Issues access tokens: signed JWTs that every service can verify by itself (RFC 9068)."""

import time
import uuid
from collections.abc import Iterable

import jwt

from shared.identity.tokens import ALGORITHM, TOKEN_TYPE
from users.key_ring import KeyRing
from users.settings import UsersSettings

CLIENT_ID = "facet"  # RFC 9068, section 2.2 requires one; all callers come as the same client


class TokenSigner:
    """Signs inline: ES256 takes less than the hop to a thread would."""

    def __init__(self, settings: UsersSettings, ring: KeyRing) -> None:
        self._ring = ring
        self._issuer = settings.token_issuer
        self._audience = settings.token_audience

    def access_token(self, user_id: int, session_id: str, *, scopes: Iterable[str], lifetime: int) -> str:
        """A token of `lifetime` seconds. Raises KeysUnavailable."""
        key_id, key = self._ring.signing()
        now = int(time.time())
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": str(user_id),
            "client_id": CLIENT_ID,
            "sid": session_id,
            "scope": " ".join(scopes),
            "iat": now,
            "exp": now + lifetime,
            "jti": uuid.uuid4().hex,
        }
        return jwt.encode(claims, key, ALGORITHM, headers={"typ": TOKEN_TYPE, "kid": key_id})
