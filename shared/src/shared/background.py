"""Background work that is repeated for as long as a service runs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from shared.logging import described, get_logger

log = get_logger()


@contextlib.asynccontextmanager
async def repeated(
    work: Callable[[], Awaitable[None]], name: str, *, pause: float, wait: float = 0.0
) -> AsyncIterator[None]:
    """Run `work` again and again, `pause` seconds apart, until the block ends.

    It enters the block when the work has succeeded once, or after `wait` seconds. A failure is logged when it
    begins, not each time: Postgres or Redis may be gone for long.
    """
    succeeded = asyncio.Event()
    task = asyncio.create_task(_repeat(work, name, pause, succeeded), name=name)
    if wait:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await succeeded.wait()
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _repeat(
    work: Callable[[], Awaitable[None]], name: str, pause: float, succeeded: asyncio.Event
) -> None:
    failing = False
    task = asyncio.current_task()
    while True:
        try:
            await work()
            succeeded.set()
            failing = False
        except Exception as error:  # noqa: BLE001 - whatever it is, the next round tries again
            if not failing:
                log.warning("background_work_failed", work=name, reason=described(error))
            failing = True
        if task is not None and task.cancelling():
            return  # redis' client swallows a cancellation at times
        await asyncio.sleep(pause)
