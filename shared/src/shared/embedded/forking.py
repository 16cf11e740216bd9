"""The client's side of `fork_server`, and the processes that come from there."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shared.embedded import fork_server
from shared.embedded.child import ChildServer, Process
from shared.embedded.fork_server import NOTHING, UNKNOWN

ANSWER_WITHIN = 30.0  # seconds; the first answer comes when everything is imported
AVAILABLE = hasattr(os, "pidfd_open")  # Linux; elsewhere a process that has forked is not safe to fork again


class ForkServer(ChildServer):
    """It has started when it answers, which is when everything is imported."""

    name = "fork-server"

    def __init__(
        self,
        log: Path,
        *,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
        further: Sequence[str] = (),
    ) -> None:
        """What it forks works in `folder`, and has `further` modules already there."""
        super().__init__(log)
        self._folder = folder
        self._environment = environment
        self._further = further
        self._lock = threading.Lock()  # a request and its answer follow one another
        self._connection: socket.socket | None = None

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-P", str(fork_server.__file__), *self._further]

    @property
    def identity(self) -> dict[str, Any]:
        return {"cwd": self._folder, "env": self._environment}

    def spawn(self) -> Process:
        self._disconnect()
        self._connection, given = socket.socketpair()
        self._connection.settimeout(ANSWER_WITHIN)
        with given:
            return self._execute(given.fileno())

    def answers(self) -> bool:
        return self._ask() is not None

    def stop(self, timeout: float = 10.0) -> None:
        """At the end of its requests it ends by itself."""
        self._disconnect()
        super().stop(timeout)

    def fork(self, words: Sequence[str], environment: Mapping[str, str], *outputs: Path) -> "ForkedProcess":
        """`python <words>`, which are `-m module …` or `-c program …`. Raises RuntimeError if it cannot.

        It writes to the first of `outputs`, and its errors to the last.
        """
        files = [str(output) for output in outputs]
        process_id = self._ask(words=list(words), environment=dict(environment), outputs=files)
        if process_id is None:
            raise RuntimeError(f"{self.name} has ended")
        if process_id == NOTHING:
            raise RuntimeError(f"{self.name} cannot write {files}")
        return ForkedProcess(self, process_id)

    def status(self, process_id: int) -> int:
        """Of a process that has ended. It is lost if the server has ended before it."""
        found = self._ask(status=process_id)
        return UNKNOWN if found is None else found

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _ask(self, **request: object) -> int | None:
        """None if there is no answer."""
        if self._connection is None:
            return None
        try:
            with self._lock:
                self._connection.sendall(json.dumps(request).encode() + b"\n")
                answer = self._connection.recv(64)
        except OSError:
            return None
        return int(answer) if answer else None


class ForkedProcess:
    """A `Process` that is a child of the fork server, which keeps its exit status until it is asked for."""

    def __init__(self, server: ForkServer, process_id: int) -> None:
        self.pid = process_id
        self._server = server
        self._status: int | None = None
        self._lock = threading.Lock()
        self._descriptor = os.pidfd_open(process_id)

    def __del__(self) -> None:
        os.close(self._descriptor)

    def poll(self) -> int | None:
        with self._lock:
            if self._status is None and self._ends_within(0):
                self._status = self._server.status(self.pid)
            return self._status

    def wait(self, timeout: float | None = None) -> int:
        self._ends_within(timeout)
        status = self.poll()
        if status is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
        return status

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _ends_within(self, seconds: float | None) -> bool:
        ended = select.poll()
        ended.register(self._descriptor, select.POLLIN)
        return bool(ended.poll(None if seconds is None else seconds * 1000))
