"""Verifying access tokens."""

import time
from collections import OrderedDict
from dataclasses import dataclass

import jwt

from shared.identity.caller import Caller
from shared.identity.exceptions import TokenInvalid
from shared.identity.keys import Keys

ALGORITHM = "ES256"
TOKEN_TYPE = "at+jwt"  # noqa: S105 - the media type of RFC 9068, section 2.1
REQUIRED = ["iss", "aud", "sub", "sid", "exp", "iat", "jti"]
LONGEST = 4096
LEEWAY = 5  # seconds by which two hosts' clocks may differ
LONGEST_LIFETIME = 3600


@dataclass(frozen=True, slots=True)
class _Verified:
    caller: Caller
    key_id: str
    until: int  # Unix seconds, by our own clock


class TokenVerifier:
    """Signature, type, issuer, audience and times (RFC 9068, section 4).

    Verified tokens are kept, `cache_size` at most, the least used dropped first: a signature costs about
    145 µs and a hit about 1. A kept token still expires on time, and ends with the key that signed it.
    A token of more than `longest` seconds is refused, because ended sessions are forgotten after that time.
    """

    def __init__(
        self,
        keys: Keys,
        issuer: str,
        audience: str,
        *,
        cache_size: int = 10_000,
        longest: int = LONGEST_LIFETIME,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._cache_size = cache_size
        self._longest = longest
        self._verified: OrderedDict[str, _Verified] = OrderedDict()

    async def verify(self, token: str) -> Caller:
        """The caller that `token` stands for. Raises TokenInvalid, or KeysUnavailable."""
        kept = self._verified.get(token)
        if kept is None:
            kept = await self._verify(token)
            self._verified[token] = kept
            if len(self._verified) > self._cache_size:
                self._verified.popitem(last=False)
        elif kept.until <= time.time() or not self._keys.has(kept.key_id):
            self._verified.pop(token, None)
            raise TokenInvalid
        else:
            self._verified.move_to_end(token)
        return kept.caller

    def known(self, token: str) -> Caller | None:
        """The caller if `token` was verified before and is still good; else `verify` has to decide."""
        kept = self._verified.get(token)
        if kept is None or kept.until <= time.time() or not self._keys.has(kept.key_id):
            return None
        self._verified.move_to_end(token)
        return kept.caller

    async def _verify(self, token: str) -> _Verified:
        if len(token) > LONGEST:
            raise TokenInvalid
        try:
            header = jwt.get_unverified_header(token)
            if header.get("typ") != TOKEN_TYPE or header.get("alg") != ALGORITHM:
                raise TokenInvalid
            key_id = str(header.get("kid"))
            key = await self._keys.find(key_id)
            if key is None:
                raise TokenInvalid
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY,
                options={"require": REQUIRED},
            )
            if int(claims["exp"]) - int(claims["iat"]) > self._longest:
                raise TokenInvalid
            scopes = frozenset(str(claims.get("scope", "")).split())
            expires_at = int(claims["exp"])
            caller = Caller(int(claims["sub"]), str(claims["sid"]), scopes, expires_at)
            return _Verified(caller, key_id, expires_at + LEEWAY)
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise TokenInvalid from error  # the last two: a huge number, a deeply nested header
