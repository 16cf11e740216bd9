"""The caller of a request."""

from dataclasses import dataclass

ADMIN_SCOPE = "admin"


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
