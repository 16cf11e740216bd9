"""Reads a list by the links of its pages."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any


async def pages(ask: Callable[[str], Awaitable[Any]], address: str) -> AsyncIterator[Any]:
    """Each answer, from that of `ask(address)` to that which names no next page. Raises AssertionError."""
    while True:
        answer = await ask(address)
        assert answer.is_success, answer.text  # noqa: S101 - for tests
        yield answer
        if "next" not in answer.links:
            return
        address = answer.links["next"]["url"]
