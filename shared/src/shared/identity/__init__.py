"""Who is calling: every service verifies access tokens (RFC 9068) itself."""

from shared.identity.caller import Caller
from shared.identity.dependencies import ActiveCaller, AdminCaller, CurrentCaller
from shared.identity.keys import RemoteKeys, StaticKeys
from shared.identity.remote import RemoteIdentity, remote_identity
from shared.identity.revocations import Revocations
from shared.identity.tokens import TokenVerifier

__all__ = [
    "ActiveCaller",
    "AdminCaller",
    "Caller",
    "CurrentCaller",
    "RemoteIdentity",
    "RemoteKeys",
    "Revocations",
    "StaticKeys",
    "TokenVerifier",
    "remote_identity",
]
