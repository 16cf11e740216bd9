"""Background work goes on after failures, and ends with its block."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from shared.background import repeated


async def test_work_is_repeated_whatever_happens_to_it(
    eventually: Callable[..., Any],
    make_app: Callable[..., Any],
    log_lines: Callable[[], list[dict[str, Any]]],
) -> None:
    make_app()  # configures logging
    done: list[int] = []

    async def work() -> None:
        done.append(len(done))
        if len(done) in {2, 3, 5}:
            raise ZeroDivisionError

    async with repeated(work, "counting", pause=0.001):
        await eventually(lambda: len(done) >= 7)
    failures = [line for line in log_lines() if line["event"] == "background_work_failed"]
    assert [line["work"] for line in failures] == ["counting", "counting"], "once for each spell of failures"


async def test_it_starts_after_the_first_success_or_without_it(eventually: Callable[..., Any]) -> None:
    done: list[str] = []

    async def work() -> None:
        await asyncio.sleep(0.01)
        done.append("work")

    async with repeated(work, "quick", pause=60, wait=10):
        assert done == ["work"]

    async def fail() -> None:
        raise ZeroDivisionError

    async with repeated(fail, "failing", pause=60, wait=0.01):
        pass


async def test_it_ends_with_its_block() -> None:
    ended: list[bool] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async with repeated(work, "endless", pause=0):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert ended == [True]


async def test_work_that_swallows_its_cancellation_ends_all_the_same() -> None:
    began = asyncio.Event()

    async def work() -> None:
        began.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    async with asyncio.timeout(5), repeated(work, "swallows", pause=0.001):
        await began.wait()
