"""Waits for a stage, as long as its request has time."""

import asyncio
from collections.abc import Awaitable

from shared.context import CURRENT, RequestContext
from shared.exceptions import GatewayTimeout


async def wait(waiting: Awaitable[None], deadline: float, context: RequestContext) -> Exception | None:
    """What is to be answered instead, or None. `deadline` is in the loop's time."""
    CURRENT.set(context)
    try:
        async with asyncio.timeout_at(deadline) as limit:
            await waiting
    except Exception as error:  # noqa: BLE001 - every error is answered
        return GatewayTimeout() if limit.expired() else error
    return None
