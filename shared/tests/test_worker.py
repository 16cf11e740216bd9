"""What the worker asks of the event loop that it runs on."""

import asyncio
import contextlib
import socket
from typing import Any

import uvloop

from shared.testing import served
from shared.wire import Protocol

WAITING = 40


class Noted(Protocol):
    accepted = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        Noted.accepted += 1


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    while scope["type"] == "lifespan":
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def rounds() -> int:
    """Rounds of the loop until all who wait for their connection are let in."""
    async with served(app, protocol=Noted) as live:
        with contextlib.ExitStack() as clients:
            for _ in range(WAITING):
                clients.enter_context(socket.create_connection(("127.0.0.1", live.port)))
            assert Noted.accepted == 0
            for passed in range(WAITING):
                if Noted.accepted == WAITING:
                    return passed
                await asyncio.sleep(0)
    return WAITING


def test_a_busy_worker_lets_several_connections_in_at_once() -> None:
    assert uvloop.run(rounds()) < WAITING / 4
