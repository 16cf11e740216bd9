"""The caller of a request."""

from dataclasses import dataclass
from typing import Final

ADMIN_SCOPE: Final = "admin"
READ_SCOPE: Final = "read"
WRITE_SCOPE: Final = "write"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Caller:
    """What a verified token says. `expires_at` is Unix seconds."""

    id: int
    session_id: str
    scopes: frozenset[str]
    expires_at: int

    @property
    def is_admin(self) -> bool:
        return ADMIN_SCOPE in self.scopes

    def may(self, method: str) -> bool:
        """True if a scope allows requests of this method: `read` the safe ones, `write` the others."""
        return (READ_SCOPE if method in SAFE_METHODS else WRITE_SCOPE) in self.scopes
