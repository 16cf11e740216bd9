"""What a member's tests stand on: real servers, a real token signer, the application really served."""

from shared.testing.live import LiveApp, served
from shared.testing.tokens import TestIdentity

__all__ = ["LiveApp", "TestIdentity", "served"]
