"""For tests and load tests that run the embedded stack."""

from stack.testing.demo import Demo, free_ports

__all__ = ["Demo", "free_ports"]
