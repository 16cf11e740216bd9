"""Several consumers in one process: one for each stream that a service hears."""

import contextlib
from collections.abc import AsyncIterator, Sequence

from shared.events.consumer import Consumer
from shared.health import Check


class Consumers:
    """Each reads its stream by itself, so one that waits for a slow handler does not hold up the others."""

    def __init__(self, consumers: Sequence[Consumer]) -> None:
        self._consumers = consumers

    @property
    def checks(self) -> list[Check]:
        return [check for consumer in self._consumers for check in consumer.checks]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Handles events for as long as the block runs; those in hand are finished."""
        async with contextlib.AsyncExitStack() as stack:
            for consumer in self._consumers:
                await stack.enter_async_context(consumer.running())
            yield
