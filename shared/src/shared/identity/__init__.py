"""Who is calling: every service verifies access tokens (RFC 9068) itself.

`identity.remote` and `identity.revocations` need the extra `redis`, so they are imported by their own names.
"""

from shared.identity.caller import Caller
from shared.identity.dependencies import ActiveCaller, AdminCaller, CurrentCaller
from shared.identity.keys import RemoteKeys, StaticKeys
from shared.identity.tokens import TokenVerifier

__all__ = [
    "ActiveCaller",
    "AdminCaller",
    "Caller",
    "CurrentCaller",
    "RemoteKeys",
    "StaticKeys",
    "TokenVerifier",
]
