"""Lets another process run one of the stack's services for a while: `make dev`."""

import contextlib
import fcntl
import time
from collections.abc import Iterator
from pathlib import Path

from stack.exceptions import StackFailed

TAKE_WITHIN = 1.0  # seconds; the stack itself holds the lock for an instant when it looks


@contextlib.contextmanager
def borrowed(folder: Path, service: str) -> Iterator[None]:
    """The stack in `folder` stops its own process, and starts it again when the block ends.

    It is a kernel lock, so the service returns to the stack however this process ends.
    Raises StackFailed if somebody else borrows it already.
    """
    path = _lock_file(folder, service)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with path.open("a") as lock:
        deadline = time.monotonic() + TAKE_WITHIN
        while not _taken(lock.fileno()):
            if time.monotonic() > deadline:
                raise StackFailed(f"another make dev runs {service} already")
            time.sleep(0.02)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def is_borrowed(folder: Path, service: str) -> bool:
    try:
        with _lock_file(folder, service).open() as lock:
            return not _taken(lock.fileno())
    except OSError:
        return False


def _lock_file(folder: Path, service: str) -> Path:
    return folder / "borrowed" / service


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
