"""Refresh tokens and API keys: random, opaque, and stored as digests only.

SHA-256 without salt or stretching is right for them: 256 random bits cannot be guessed, and a digest can be
looked up in an index.
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

PREFIX_BYTES = 4


def digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def new_email_token() -> str:
    return secrets.token_urlsafe(32)


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """`<family>.<secret>`: the family finds the session, and the secret changes with each use.

    A known family with another secret is therefore a token that was used before (RFC 9700, section 4.14.2),
    which needs no list of the used ones; and nobody can pretend that who never had one of them.
    """

    family: str = field(repr=False)
    secret: str = field(repr=False)

    @classmethod
    def new(cls) -> "RefreshToken":
        return cls(secrets.token_urlsafe(32), secrets.token_urlsafe(32))

    @classmethod
    def parse(cls, text: str) -> "RefreshToken":
        family, _, secret = text.partition(".")
        return cls(family, secret)

    @property
    def text(self) -> str:
        return f"{self.family}.{self.secret}"

    def successor(self, key: bytes) -> "RefreshToken":
        """Always the same for one token. It cannot be computed without `key`."""
        made = hmac.digest(key, self.text.encode("utf-8", "surrogatepass"), hashlib.sha256)
        return RefreshToken(self.family, base64.urlsafe_b64encode(made).rstrip(b"=").decode())


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """`fk_<prefix>_<secret>`: people recognise a key by its prefix, secret scanners by `fk_`."""

    prefix: str
    text: str = field(repr=False)

    @classmethod
    def new(cls) -> "NewApiKey":
        prefix = secrets.token_hex(PREFIX_BYTES)
        return cls(prefix, f"fk_{prefix}_{secrets.token_urlsafe(32)}")
