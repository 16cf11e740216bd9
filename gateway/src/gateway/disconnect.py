"""Stops work for a client that has gone away."""

import asyncio

from starlette.types import Receive

PATIENCE = 0.05  # seconds: a request that is over by then is not worth a task that watches it


class DisconnectWatch:
    """Cancels the current task when the client disconnects; `fired` tells that from other cancellations.

    Use it once the request body has been read: from then on `receive` tells only of the end. The watching
    task starts late, so that the usual, quick request pays for one timer and nothing else.
    """

    __slots__ = ("_receive", "_task", "_timer", "_watched", "fired")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._watched = asyncio.current_task()
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.fired = False

    def start(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(PATIENCE, self._begin)

    def stop(self) -> None:
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
