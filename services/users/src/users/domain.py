"""Domain objects: accounts, sessions, keys, tokens, audit events."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from shared.identity.caller import ADMIN_SCOPE, READ_SCOPE, WRITE_SCOPE

KEY_SESSION = "key-"


@dataclass(frozen=True, slots=True)
class User:
    """`email` is lower-cased, so that it is unique whatever its case."""

    id: int
    email: str
    name: str
    password_hash: str = field(repr=False)
    is_active: bool
    is_admin: bool
    created_at: datetime
    email_verified: bool

    @property
    def scopes(self) -> list[str]:
        """Of a session; an API key has its own, and never `admin`."""
        return [READ_SCOPE, WRITE_SCOPE, *([ADMIN_SCOPE] if self.is_admin else [])]


@dataclass(frozen=True, slots=True)
class Client:
    """Where a request comes from: an address, and the User-Agent, which proves nothing."""

    address: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in. `id` is the `sid` of its access tokens; see `credentials.RefreshToken` for the digests."""

    id: str
    user_id: int
    family_digest: bytes = field(repr=False)
    refresh_digest: bytes = field(repr=False)
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    previous_digest: bytes | None = field(repr=False)
    rotated_at: datetime | None
    used_at: datetime
    client: str


Purpose = Literal["verify", "change", "reset"]


@dataclass(frozen=True, slots=True)
class EmailToken:
    """Sent to `email`, which for a change is the new one. Valid once, for a limited time."""

    digest: bytes = field(repr=False)
    user_id: int
    purpose: Purpose
    email: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ApiKey:
    id: int
    user_id: int
    name: str
    prefix: str
    digest: bytes = field(repr=False)
    created_at: datetime
    expires_at: datetime | None
    scopes: list[str]
    last_used_at: datetime | None
    generation: int

    @property
    def session_id(self) -> str:
        """The `sid` of the tokens that stand for this key. A reactivated account gets new ones."""
        return f"{KEY_SESSION}{self.id}" + (f".{self.generation}" if self.generation else "")


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A signing key as a rotation has written it. `sealed` is none for the key that is in a file."""

    key_id: str
    public: str
    sealed: bytes | None = field(repr=False)
    signs_from: datetime
    verifies_until: datetime | None


@dataclass(frozen=True, slots=True)
class Token:
    """An access token; `expires_in` is seconds."""

    access_token: str = field(repr=False)
    expires_in: int


@dataclass(frozen=True, slots=True)
class TokenPair(Token):
    refresh_token: str = field(repr=False)


AuditKind = Literal[
    "registered",
    "signed_in",
    "sign_in_failed",
    "signed_out",
    "session_ended",
    "refresh_token_reused",
    "password_changed",
    "password_reset",
    "email_changed",
    "email_verified",
    "account_changed",
    "account_closed",
    "account_removed",
    "api_key_created",
    "api_key_revoked",
    "signing_key_rotated",
]


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """`actor_id` is who did it: the account itself, an administrator, or 0 for a command."""

    id: int
    at: datetime
    kind: str
    user_id: int | None
    actor_id: int | None
    request_id: str
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """All filters that are given must hold."""

    user_id: int | None = None
    kind: AuditKind | None = None
