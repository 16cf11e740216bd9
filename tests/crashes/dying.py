"""Runs something in a process of its own that is killed at its n-th message to a server."""

import asyncio
import asyncio.selector_events
import gc
import json
import os
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

NEVER = 1_000_000
Work = Callable[[], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Death:
    """At the message with this number: before it is sent, or after, so that its answer is never read.

    Every message to Postgres and to Redis counts, those of connecting too, whatever library sends it.
    """

    message: int = NEVER
    sent: bool = False


@dataclass(frozen=True, slots=True)
class Ending:
    """Of each work that was finished: what its client was told, and how many messages it took."""

    answers: list[Any]
    messages: list[int]
    died: bool = False


def in_a_child(works: Sequence[Work], death: Death) -> Ending:
    """One work after another, in a fork: the parent must have no threads, and no loop that runs.

    Raises RuntimeError if a work fails.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _live(works, death, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = [json.loads(line) for line in pipe.read().splitlines()]
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status not in {0, -signal.SIGKILL}:
        raise RuntimeError(f"the process failed by itself, with status {status}")
    return Ending([answer for answer, _ in said], [messages for _, messages in said], status != 0)


def _live(works: Sequence[Work], death: Death, writer: int) -> None:
    """Does not return."""
    gc.disable()  # a collection would copy the parent's memory, page by page
    try:
        asyncio.run(_all(works, _count(death), writer))
    except BaseException:  # noqa: BLE001 - the parent's stack must not be unwound in the child
        traceback.print_exc(file=sys.stderr)
        os._exit(1)
    os._exit(0)


async def _all(works: Sequence[Work], sent: list[int], writer: int) -> None:
    for work in works:
        before = sent[0]
        answer = await work()
        os.write(writer, json.dumps([answer, sent[0] - before]).encode() + b"\n")


def _count(death: Death) -> list[int]:
    """Puts the hook below all libraries: where asyncio hands bytes to a socket."""
    sent = [0]
    transport = asyncio.selector_events._SelectorSocketTransport
    original = transport.write

    def write(self: Any, data: Any) -> None:
        sent[0] += 1
        if sent[0] == death.message and not death.sent:
            os.kill(os.getpid(), signal.SIGKILL)
        original(self, data)
        if sent[0] == death.message:
            os.kill(os.getpid(), signal.SIGKILL)

    transport.write = write
    transport.writelines = lambda self, parts: self.write(b"".join(parts))
    return sent
