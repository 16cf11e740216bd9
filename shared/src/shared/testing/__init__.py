"""For tests of all members: real servers, a token signer, and an application served on a port."""

from shared.testing.live import LiveApp, served
from shared.testing.tokens import TestIdentity

__all__ = ["LiveApp", "TestIdentity", "served"]
