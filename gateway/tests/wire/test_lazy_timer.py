"""When a deadline that is moved ends, and when it does not."""

import asyncio

import pytest

from gateway.wire.lazy_timer import LazyTimer

pytestmark = pytest.mark.asyncio(loop_scope="function")


async def test_it_expires_once_at_the_deadline_that_was_set_last() -> None:
    loop, expired = asyncio.get_running_loop(), asyncio.Event()
    names: list[str] = []

    def note() -> None:
        names.append(timer.name)
        expired.set()

    timer = LazyTimer(loop, note)
    timer.set(loop.time() + 0.01, "head")
    timer.set(loop.time() + 0.02, "total")
    await expired.wait()
    assert names == ["total"]


async def test_a_deadline_moved_forward_is_kept() -> None:
    loop, expired = asyncio.get_running_loop(), asyncio.Event()
    timer = LazyTimer(loop, expired.set)
    timer.set(loop.time() + 3600.0, "total")
    timer.set(loop.time(), "head")
    async with asyncio.timeout(5):
        await expired.wait()


async def test_a_cancelled_timer_is_silent_and_lets_go_of_whoever_waited() -> None:
    loop = asyncio.get_running_loop()
    expired: list[str] = []
    timer, other = LazyTimer(loop, lambda: expired.append("timer")), asyncio.Event()
    timer.set(loop.time(), "total")
    timer.cancel()
    LazyTimer(loop, other.set).set(loop.time() + 0.005, "total")
    await other.wait()
    assert expired == []
