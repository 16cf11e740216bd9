"""Waits for something to become true: tests do not sleep for a guessed time."""

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any, Final

INTERVAL = 0.01
SHARE = 0.2  # of a CPU that looking may take: what is waited for needs it too
TRUE: Final = object()  # anything that counts as true


def eventually(holds: Callable[[], object], within: float = 60.0) -> None:
    """Returns as soon as `holds()` is true. Raises AssertionError after `within` seconds."""
    deadline = time.monotonic() + within
    looked = time.thread_time()
    while not holds():
        assert time.monotonic() < deadline, f"did not become true within {within:g} s"  # noqa: S101 - for tests
        time.sleep(max(INTERVAL, (time.thread_time() - looked) / SHARE))
        looked = time.thread_time()


async def becomes(read: Callable[[], Any], wanted: Any = TRUE, *, seconds: float = 10.0) -> Any:
    """Returns what `read()`, or what it awaits, gives as soon as that is `wanted`.

    Raises AssertionError after `seconds`.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = read()
        found = await found if inspect.isawaitable(found) else found
        if found if wanted is TRUE else found == wanted:
            return found
        assert time.monotonic() < deadline, f"still {found!r} after {seconds:g} s"  # noqa: S101 - for tests
        await asyncio.sleep(INTERVAL)
