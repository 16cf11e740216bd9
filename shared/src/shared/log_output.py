"""Where lines of the log go: stdout, as long as it takes them.

A log must not stop a service, or make an error of what has succeeded. Whoever reads stdout may stop reading
(the pipe gets full) or go away, and a disk may be full: then lines are dropped, and the first line that gets
through again says how many those were.
"""

import io
import os
import select
import sys
from collections.abc import Callable
from time import monotonic
from typing import Final

WAIT: Final = 0.2  # seconds that a reader may be late once, before lines are dropped until it reads again


class Output:
    """A binary file for lines: each `write` is whole lines. It neither raises OSError nor waits for long."""

    def __init__(self, descriptor: Callable[[], int] | None = None, *, wait: float = WAIT) -> None:
        self._descriptor = descriptor or _stdout
        self._wait = wait
        self._dropped = 0
        self._torn = False  # the last line has no end
        self.told: Callable[[int], bytes] = lambda number: b"%d lines of the log were dropped\n" % number

    def write(self, lines: bytes) -> int:
        try:
            descriptor = self._descriptor()
        except io.UnsupportedOperation:  # it is in memory
            sys.stdout.buffer.write(lines)
            return len(lines)
        before = b"\n" if self._torn else b""
        if self._dropped:
            before += self.told(self._dropped)
        if self._put(descriptor, before + lines):
            self._dropped = 0
        else:
            self._dropped += lines.count(b"\n")
        return len(lines)

    def flush(self) -> None:
        """Nothing is kept."""

    def _put(self, descriptor: int, data: bytes) -> bool:
        """False if not all of it was taken. In pieces that a pipe takes whole if it takes any of them."""
        until = monotonic() + (0.0 if self._dropped else self._wait)
        for start in range(0, len(data), select.PIPE_BUF):
            piece = data[start : start + select.PIPE_BUF]
            try:
                taken = os.write(descriptor, piece) if _is_writable(descriptor, until) else 0
            except OSError:
                taken = 0
            if taken < len(piece):
                self._torn = bool(start or taken) and data[start + taken - 1 : start + taken] != b"\n"
                return False
        self._torn = False
        return True


class TextOutput:
    """The same for text."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def write(self, lines: str) -> int:
        self._output.write(lines.encode(errors="backslashreplace"))
        return len(lines)

    def flush(self) -> None:
        """Nothing is kept."""


def _stdout() -> int:
    """As it is now: tests replace it."""
    return sys.stdout.fileno()


def _is_writable(descriptor: int, until: float) -> bool:
    """A file always is; a pipe that nobody reads any more says so by an error."""
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(max(0.0, until - monotonic()) * 1000))


OUTPUT: Final = Output()
