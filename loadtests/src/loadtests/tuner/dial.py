"""A demonstration server whose work is set: so much CPU and so much waiting for each request.

Blocking workers, one request at a time each: `python -m loadtests.tuner.dial --workers 4 --port 8009 --cpu 5
--wait 20` (milliseconds). `--shared 10` adds work that one worker at a time can do, as in a database that is
locked.
"""

import argparse
import contextlib
import fcntl
import os
import signal
import socket
import tempfile
import time
from dataclasses import dataclass

_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--cpu", type=float, default=5.0, help="CPU of a request, ms")
    parser.add_argument("--wait", type=float, default=0.0, help="waiting of a request, ms")
    parser.add_argument("--shared", type=float, default=0.0, help="waiting that excludes the others, ms")
    options = parser.parse_args()
    listening = socket.create_server(("127.0.0.1", options.port), backlog=2048)
    signal.signal(signal.SIGTERM, _end)
    work = Work(options.cpu / 1000, options.wait / 1000, options.shared / 1000)
    lock = tempfile.NamedTemporaryFile()  # noqa: SIM115 - it lives as long as the workers
    children = [_fork(listening, work, lock.name) for _ in range(options.workers)]
    try:
        os.wait()
    finally:
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)


def _end(*_: object) -> None:
    raise SystemExit(0)


@dataclass(frozen=True, slots=True)
class Work:
    """Seconds of each request."""

    cpu: float
    wait: float
    shared: float

    def do(self, lock: int) -> None:
        until = time.thread_time() + self.cpu
        while time.thread_time() < until:
            pass
        time.sleep(self.wait)
        if self.shared:
            fcntl.flock(lock, fcntl.LOCK_EX)
            time.sleep(self.shared)
            fcntl.flock(lock, fcntl.LOCK_UN)


def _fork(listening: socket.socket, work: Work, path: str) -> int:
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        lock = os.open(path, os.O_RDWR)  # its own, because a lock belongs to what was opened
        while True:
            connection, _ = listening.accept()
            with contextlib.suppress(OSError), connection:
                connection.recv(65_536)
                work.do(lock)
                connection.sendall(_ANSWER)
    return child


if __name__ == "__main__":
    main()
