"""Starts children, starts them again when they die, and stops them all."""

import asyncio
import contextlib
import signal
import subprocess
import time
from collections.abc import Callable

from shared.embedded.child import ChildServer
from stack.exceptions import StackFailed
from stack.leftovers import Children, kill_group

LOOK = 0.1  # seconds between two looks at a child
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 8.0
SETTLED = 30.0  # a child that ran this long may be restarted at once again
STOP_TIMEOUT = 30.0  # seconds to stop in: a service lets requests in flight finish


class Supervisor:
    """`say` gets one line for whatever a person should know.

    While `borrowed(name)` is true a child stays stopped, because somebody else runs it.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        children: Children,
        borrowed: Callable[[str], bool] = lambda _name: False,
    ) -> None:
        self._say = say
        self._borrowed = borrowed
        self._children = children
        self._started: list[ChildServer] = []
        self._watches: dict[ChildServer, asyncio.Task[None]] = {}
        self._starts: set[asyncio.Task[None]] = set()

    async def start(self, child: ChildServer) -> None:
        """Starts the child and restarts it if it dies. Raises StackFailed with the end of the child's log."""
        self._started.append(child)
        child.on_spawn = self._children.add
        try:
            await self._launch(child)
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            raise StackFailed(str(error).strip()) from error
        self._watches[child] = asyncio.create_task(self._watch(child), name=f"watch {child.name}")

    async def stop(self, *batches: list[ChildServer]) -> None:
        """Stop batch after batch, the children of one at the same time.

        Also those that never started: Postgres and Valkey have folders for their sockets to clear away.
        """
        for watch in self._watches.values():
            watch.cancel()
        await asyncio.gather(*self._watches.values(), return_exceptions=True)
        for child in self._started:
            if child in self._watches or child.process is None:
                continue
            child.process.terminate()  # it is still starting: its start need not be waited for
        await asyncio.gather(*self._starts, return_exceptions=True)
        for batch in batches:
            await asyncio.gather(*map(self._end, batch))

    def kill(self) -> None:
        """SIGKILL for all, on the second Ctrl-C."""
        for child in self._started:
            if child.process is not None:
                kill_group(child.process.pid)

    async def _launch(self, child: ChildServer) -> None:
        """In a thread that always finishes, even if the caller gives up, so that no child is lost."""
        task = asyncio.create_task(asyncio.to_thread(child.start))
        self._starts.add(task)
        task.add_done_callback(self._forget_start)
        await asyncio.shield(task)

    def _forget_start(self, task: asyncio.Task[None]) -> None:
        self._starts.discard(task)
        if not task.cancelled():
            task.exception()  # marks the error as seen: nobody waits for a start that was given up

    async def _end(self, child: ChildServer) -> None:
        process = child.process
        await asyncio.to_thread(child.stop, STOP_TIMEOUT)
        if process is not None:
            kill_group(process.pid)
            self._children.forget(process.pid)

    async def _watch(self, child: ChildServer) -> None:
        pause = FIRST_PAUSE
        while True:
            born = time.monotonic()
            how = await self._gone(child)
            if self._borrowed(child.name):
                await self._wait_for_its_return(child)
                continue
            died = time.monotonic()
            pause = FIRST_PAUSE if died - born > SETTLED else pause
            self._say(f"{child.name} {how}; starting it again")
            while not await self._again(child):
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            self._say(f"{child.name} is back after {time.monotonic() - died:.1f} s")
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _gone(self, child: ChildServer) -> str:
        """Returns when the child has ended, or is to be stopped because somebody borrows it."""
        while child.process is not None and not self._borrowed(child.name):
            status = child.process.poll()
            if status is not None:
                return (
                    f"was ended by {signal.Signals(-status).name}" if status < 0 else f"exited with {status}"
                )
            await asyncio.sleep(LOOK)
        return "did not start"

    async def _wait_for_its_return(self, child: ChildServer) -> None:
        self._say(f"{child.name} is stopped: make dev runs it")
        await self._end(child)
        while True:
            await asyncio.sleep(LOOK)
            if not self._borrowed(child.name) and await self._again(child):
                break
        self._say(f"{child.name} is started again: make dev has ended")

    async def _again(self, child: ChildServer) -> bool:
        if child.process is not None:
            kill_group(child.process.pid)  # workers outlive a killed master, and would keep its port
            self._children.forget(child.process.pid)
        with contextlib.suppress(RuntimeError, OSError, subprocess.SubprocessError):
            await self._launch(child)
            return True
        return False
