"""Ends the processes of an earlier stack that was killed before it could stop them."""

import contextlib
import json
import os
import signal
import threading
import time
from pathlib import Path

STOP_TIMEOUT = 5.0  # seconds


class Children:
    """The list of running children in the stack's folder.

    A process is known by its id and the kernel tick of its birth (proc(5), field 22), so that a new process
    with an old id is never taken for ours. Where there is no /proc nothing is recorded.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._births: dict[int, str] = {}
        self._lock = threading.Lock()  # children are started in threads

    def add(self, process_id: int) -> None:
        if birth := _birth(process_id):
            with self._lock:
                self._births[process_id] = birth
                self._write()

    def forget(self, process_id: int) -> None:
        with self._lock:
            self._births.pop(process_id, None)
            self._write()

    def end_leftovers(self) -> int:
        """Stop what is listed and still runs; call it only while holding the folder. Returns how many."""
        try:
            listed: dict[str, str] = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return 0
        left = {number: birth for number, birth in map(_entry, listed.items()) if _birth(number) == birth}
        for process_id in left:
            os.kill(
                process_id, signal.SIGINT
            )  # a quick and clean stop to Postgres, Valkey and gunicorn alike
        deadline = time.monotonic() + STOP_TIMEOUT
        while any(_birth(number) == birth for number, birth in left.items()) and time.monotonic() < deadline:
            time.sleep(0.02)
        for process_id in left:
            kill_group(process_id)
        return len(left)

    def _write(self) -> None:
        """The list is a safety net: without it children are started and stopped all the same."""
        with contextlib.suppress(OSError):
            self._replace()

    def _replace(self) -> None:
        half = self._path.with_suffix(".part")
        half.write_text(json.dumps(self._births))
        half.rename(self._path)


def kill_group(process_id: int) -> None:
    """SIGKILL for a child and whatever it forked: a child leads a process group of its own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process_id, signal.SIGKILL)


def _entry(listed: tuple[str, str]) -> tuple[int, str]:
    return int(listed[0]), listed[1]


def _birth(process_id: int) -> str | None:
    try:
        stat = Path(f"/proc/{process_id}/stat").read_text()
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()  # the name before it may contain anything
    return None if state == "Z" else fields[18]
