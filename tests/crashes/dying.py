"""Runs something in a process of its own that is killed at its n-th message to a server."""

import asyncio
import asyncio.selector_events
import gc
import json
import os
import sys
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

KILLED = 9
NEVER = 1_000_000


@dataclass(frozen=True, slots=True)
class Death:
    """At the message with this number: before it is sent, or after, so that its answer is never read.

    Every message to Postgres and to Redis counts, those of connecting too, whatever library sends it.
    """

    message: int = NEVER
    sent: bool = False


@dataclass(frozen=True, slots=True)
class Ending:
    """`answer` is what a client was told; none if the process died first."""

    messages: int
    answer: Any = None
    died: bool = False


def in_a_child(work: Callable[[], Awaitable[Any]], death: Death) -> Ending:
    """Forks: the parent must have no threads, and no loop that runs. Raises RuntimeError if `work` fails."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _live(work, death, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status == KILLED:
        return Ending(death.message, died=True)
    if status:
        raise RuntimeError(f"the process failed by itself, with status {status}")
    messages, answer = json.loads(said)
    return Ending(messages, answer)


def _live(work: Callable[[], Awaitable[Any]], death: Death, writer: int) -> None:
    """Does not return."""
    gc.disable()  # a collection would copy the parent's memory, page by page
    try:
        sent = _count(death)
        answer = asyncio.run(_awaited(work))
        os.write(writer, json.dumps([sent[0], answer]).encode())
    except BaseException:  # noqa: BLE001 - the parent's stack must not be unwound in the child
        traceback.print_exc(file=sys.stderr)
        os._exit(1)
    os._exit(0)


async def _awaited(work: Callable[[], Awaitable[Any]]) -> Any:
    return await work()


def _count(death: Death) -> list[int]:
    """Puts the hook below all libraries: where asyncio hands bytes to a socket."""
    sent = [0]
    transport = asyncio.selector_events._SelectorSocketTransport
    original = transport.write

    def write(self: Any, data: Any) -> None:
        sent[0] += 1
        if sent[0] == death.message and not death.sent:
            os._exit(KILLED)
        original(self, data)
        if sent[0] == death.message:
            os._exit(KILLED)

    transport.write = write
    transport.writelines = lambda self, parts: self.write(b"".join(parts))
    return sent
