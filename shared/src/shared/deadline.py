"""A limit for a whole transaction: many statements, each just quick enough, are together too slow."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from shared.exceptions import DatabaseUnavailable

LONGEST: Final = 8.0  # seconds; below the gateway's 10, so that the caller is told by the service


@contextlib.asynccontextmanager
async def transaction_deadline(seconds: float = LONGEST) -> AsyncIterator[None]:
    """Raises DatabaseUnavailable if the block takes longer."""
    try:
        async with asyncio.timeout(seconds) as limit:
            yield
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise DatabaseUnavailable from error
