"""The current keys of access tokens: one signs, and all that may have signed a valid token are published."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.asymmetric import ec
from jwt import PyJWK

from shared.identity.exceptions import KeysUnavailable
from shared.identity.keys import parse_keys
from shared.logging import get_logger
from users.clock import utc_now
from users.domain import StoredKey
from users.keys import jwk, private_key, public_keys, sealing_key
from users.settings import UsersSettings

ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
log = get_logger()


@dataclass(frozen=True, slots=True)
class RingKey:
    jwk: dict[str, Any]
    verifying: PyJWK
    signing: ec.EllipticCurvePrivateKey | None
    signs_from: datetime
    verifies_until: datetime | None

    def is_valid(self, now: datetime) -> bool:
        return self.verifies_until is None or self.verifies_until > now


class KeyRing:
    """The key in the file signs until a rotation has taken over from it.

    Everything goes by time, so that all workers change keys at the same moment without talking to each other.
    Until the stored keys were read once, nobody knows which key signs: every question raises KeysUnavailable.
    """

    def __init__(self, settings: UsersSettings) -> None:
        self.first = private_key(settings.signing_key.get_secret_value())
        self._retired = public_keys(settings.retired_keys.get_secret_value())
        self._keys: dict[str, RingKey] = {}

    def update(self, stored: Sequence[StoredKey]) -> None:
        """Replace the keys by those of the settings and the stored ones."""
        keys = [_ring_key(key, None) for key in self._retired] + [
            _ring_key(self.first.public_key(), self.first)
        ]
        keys += [self._opened(one) for one in stored]
        self._keys = {key.jwk["kid"]: key for key in keys}

    def _opened(self, stored: StoredKey) -> RingKey:
        public = public_keys(stored.public)[0]
        signing = self.first if stored.key_id == jwk(self.first.public_key())["kid"] else None
        if stored.sealed is not None:
            try:
                pem = Fernet(sealing_key(self.first)).decrypt(stored.sealed).decode()
                signing = private_key(pem)
            except InvalidToken:  # the file was replaced, so its sealed keys cannot sign
                log.warning("signing_key_cannot_be_opened", key_id=stored.key_id)
        return _ring_key(public, signing, stored.signs_from, stored.verifies_until)

    def seal(self, pem: str) -> bytes:
        return Fernet(sealing_key(self.first)).encrypt(pem.encode())

    def signing(self) -> tuple[str, ec.EllipticCurvePrivateKey]:
        """The id and the key that sign now. Raises KeysUnavailable."""
        now = utc_now()
        able = [
            key for key in self._keys.values() if key.signing and key.signs_from <= now and key.is_valid(now)
        ]
        if not able:
            raise KeysUnavailable
        newest = max(able, key=lambda key: key.signs_from)
        assert newest.signing is not None  # noqa: S101 - it was selected for that
        return newest.jwk["kid"], newest.signing

    @property
    def jwks(self) -> dict[str, Any]:
        """All published keys, also future ones. Raises KeysUnavailable instead of giving half a set."""
        now = utc_now()
        if not self._keys:
            raise KeysUnavailable
        return {"keys": [key.jwk for key in self._keys.values() if key.is_valid(now)]}

    async def find(self, key_id: str) -> PyJWK | None:
        if not self._keys:
            raise KeysUnavailable
        return self._keys[key_id].verifying if self.has(key_id) else None

    def has(self, key_id: str) -> bool:
        key = self._keys.get(key_id)
        return key is not None and key.is_valid(utc_now())

    async def ping(self) -> None:
        """Raises KeysUnavailable until the stored keys were read."""
        if not self._keys:
            raise KeysUnavailable


def _ring_key(
    public: ec.EllipticCurvePublicKey,
    signing: ec.EllipticCurvePrivateKey | None,
    signs_from: datetime = ALWAYS,
    verifies_until: datetime | None = None,
) -> RingKey:
    document = jwk(public)
    verifying = parse_keys({"keys": [document]})[document["kid"]]
    return RingKey(document, verifying, signing, signs_from, verifies_until)
