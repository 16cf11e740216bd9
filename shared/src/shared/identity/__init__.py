"""Who is calling: every service verifies access tokens (RFC 9068) itself.

`identity.remote` and `identity.revocations` need the extra `redis`, `identity.dependencies` FastAPI, which
relays and consumers do not import: each is imported by its own name.
"""

from shared.identity.caller import Caller
from shared.identity.keys import RemoteKeys, StaticKeys
from shared.identity.tokens import TokenVerifier

__all__ = ["Caller", "RemoteKeys", "StaticKeys", "TokenVerifier"]
