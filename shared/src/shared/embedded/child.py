"""A server as a child process that is started, watched and stopped."""

import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol


class Process(Protocol):
    """What is needed of `subprocess.Popen`."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, sig: int) -> None: ...

    def terminate(self) -> None: ...

    def kill(self) -> None: ...


class ChildServer(ABC):
    """Subclasses define `command`, `identity` and `answers()`."""

    name = "server"
    stop_signal = signal.SIGTERM

    def __init__(self, log: Path) -> None:
        self.log = log
        self.on_spawn: Callable[[int], None] | None = None  # told the process id before it answers
        self.process: Process | None = None

    @property
    @abstractmethod
    def command(self) -> list[str]: ...

    @property
    def identity(self) -> dict[str, Any]:
        """For `subprocess`: the user and group to run as, where it must not be the current one."""
        return {}

    @abstractmethod
    def answers(self) -> bool: ...

    def start(self, timeout: float = 30.0) -> None:
        """Start and wait until it answers. Raises RuntimeError with the log's end when it does not."""
        self.process = self.spawn()
        if self.on_spawn is not None:
            self.on_spawn(self.process.pid)
        deadline = time.monotonic() + timeout
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"{self.name} did not start:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.02)

    def spawn(self) -> Process:
        return self._execute(subprocess.DEVNULL)

    def _execute(self, stdin: int) -> Process:
        with self.log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - the command is ours
                self.command, stdin=stdin, stdout=log, stderr=log, process_group=0, **self.identity
            )

    def stop(self, timeout: float = 10.0) -> None:
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None
