"""Stops a command and all that it started: by Ctrl-C, SIGTERM, or because its terminal was closed."""

import contextlib
import ctypes
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

STOPPING = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """In the block each of `STOPPING` raises KeyboardInterrupt, once: what ends the rest is not interrupted.

    A signal that is ignored stays so: `nohup` ignores the closed terminal.
    """
    stopping = False

    def interrupt(*_: object) -> None:
        nonlocal stopping
        if not stopping:
            stopping = True
            with contextlib.suppress(OSError):  # not by print, which may be at work
                os.write(2, b"stopping everything that was started\n")
            raise KeyboardInterrupt

    with _handled(interrupt):
        yield


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """A signal that arrives meanwhile is handled afterwards, when a new process is known.

    By handlers, because a mask holds for one thread only, and numpy has others.
    """
    arrived: list[int] = []
    with _handled(lambda number, _: arrived.append(number)):
        yield
    for number in arrived[:1]:
        signal.raise_signal(number)


@contextlib.contextmanager
def _handled(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Only the main thread hears signals."""
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.getsignal(number) for number in STOPPING}
    before = {number: known for number, known in before.items() if known is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, known in before.items():
            signal.signal(number, known)


def in_child() -> None:
    """In a new process, before its command: it gets SIGTERM when its parent is killed."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def quiet() -> None:
    """Nobody reads the output any more: what is still said goes nowhere, and raises nothing."""
    with contextlib.suppress(OSError), open(os.devnull, "w") as nowhere:  # noqa: PTH123 - no path of ours
        for stream in (1, 2):
            os.dup2(nowhere.fileno(), stream)
