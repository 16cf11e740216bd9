"""Large JSON is read in a thread: it takes milliseconds, in which no other request should stand still."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Final, TypeVar

from ml_predict.exceptions import QueueFull

INLINE_BYTES: Final = 32_768
"""Read on the event loop in 0.2 to 0.4 ms."""
MOST_WAITING: Final = 16 * 1024 * 1024
Result = TypeVar("Result")


class Reader:
    """One body at a time, and a bounded number of bytes that wait."""

    def __init__(self, pool: Executor) -> None:
        self._pool = pool
        self._waiting = 0

    async def read(self, parse: Callable[[], Result], size: int) -> Result:
        """What `parse()` gives or raises, for `size` bytes of JSON. Raises QueueFull."""
        if size <= INLINE_BYTES:
            return parse()
        if self._waiting + size > MOST_WAITING:
            raise QueueFull(retry_after=1)
        self._waiting += size
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, parse)
        finally:
            self._waiting -= size
