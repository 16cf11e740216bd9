"""Several streams in one process: each is read by itself."""

import asyncio
from collections.abc import Callable
from typing import Any

from shared.events import Event, Fact
from shared.events.consumers import Consumers


async def test_a_stream_whose_handler_waits_does_not_hold_up_the_other(
    scene: Any, eventually: Callable[..., Any]
) -> None:
    held, handled = asyncio.Event(), asyncio.Event()

    async def waits(_: Event, _fact: Fact) -> None:
        await held.wait()

    async def handles(_: Event, _fact: Fact) -> None:
        handled.set()

    await scene.tell(1)
    await scene.relay().send()
    slow = scene.member(waits)
    first, scene.stream = scene.stream, f"{scene.stream}-other"
    [(_, fields)] = await scene.bytes_redis.xrange(first)
    await scene.bytes_redis.xadd(scene.stream, fields)
    consumers = Consumers([slow, scene.member(handles)])
    assert [check.name for check in consumers.checks] == [
        f"consumer of {first}",
        f"consumer of {scene.stream}",
    ]
    async with consumers.running():
        await asyncio.wait_for(handled.wait(), 20)
        held.set()
    await scene.redis.delete(first)
