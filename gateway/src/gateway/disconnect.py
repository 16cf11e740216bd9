"""Stops work for a client that has gone away."""

import asyncio
from collections.abc import AsyncIterator

from starlette.types import Receive

PATIENCE = 0.05  # seconds: a request that is over by then is not worth a task that watches it


class DisconnectWatch:
    """Cancels the current task when the client disconnects; `fired` tells that from other cancellations.

    It begins once the request body has been read: from then on `receive` tells only of the end. The watching
    task starts late, so that the usual, quick request pays for one timer and nothing else.
    """

    __slots__ = ("_receive", "_stopped", "_task", "_timer", "_watched", "fired")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._watched = asyncio.current_task()
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False
        self.fired = False

    def after(self, body: AsyncIterator[bytes] | bytes | None) -> AsyncIterator[bytes] | bytes | None:
        """`body`; the watch starts now if it is at hand, and at its end if it is still to come."""
        if body is None or isinstance(body, bytes):
            self._start()
            return body
        return self._then_start(body)

    async def _then_start(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in body:
            yield chunk
        self._start()

    def _start(self) -> None:
        if not self._stopped:
            self._timer = asyncio.get_running_loop().call_later(PATIENCE, self._begin)

    def stop(self) -> None:
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _begin(self) -> None:
        self._task = asyncio.create_task(self._watch(), name="disconnect-watch")

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if self._watched is not None and not self.fired:
            self.fired = True
            self._watched.cancel()
