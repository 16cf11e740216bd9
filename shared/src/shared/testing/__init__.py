"""For tests of all members: real servers, a token signer, and an application served on a port."""

from shared.testing.live import NO_TLS, LiveApp, http_client, served
from shared.testing.tokens import TestIdentity

__all__ = ["NO_TLS", "LiveApp", "TestIdentity", "http_client", "served"]
