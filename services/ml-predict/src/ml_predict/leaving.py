"""Callers who leave before they are answered."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from ml_predict.answers import Array

Gone = Callable[[], Awaitable[None]]
"""Returns when nobody waits for the answer any longer."""


async def unless(gone: Gone, result: asyncio.Future[list[Array]]) -> list[Array]:
    """The result; cancelled when the caller goes first."""
    watch: asyncio.Future[Any] = asyncio.ensure_future(gone())
    try:
        either: set[asyncio.Future[Any]] = {result, watch}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not result.done():
            result.cancel()
        return await result
    finally:
        watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watch
