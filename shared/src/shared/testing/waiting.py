"""Waits for something to become true: tests do not sleep for a guessed time."""

import time
from collections.abc import Callable

INTERVAL = 0.01


def eventually(holds: Callable[[], object], within: float = 60.0) -> None:
    """Returns as soon as `holds()` is true. Raises AssertionError after `within` seconds."""
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, f"did not become true within {within:g} s"  # noqa: S101 - for tests
        time.sleep(INTERVAL)
