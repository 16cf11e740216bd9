"""A demonstration server whose work is set: so much CPU and so much waiting for each request.

Blocking workers, one request at a time each: `python -m loadtests.tuner.dial --workers 4 --port 8009 --cpu 5
--wait 20` (milliseconds).
"""

import argparse
import contextlib
import os
import signal
import socket
import time

_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--cpu", type=float, default=5.0, help="CPU of a request, ms")
    parser.add_argument("--wait", type=float, default=0.0, help="waiting of a request, ms")
    options = parser.parse_args()
    listening = socket.create_server(("127.0.0.1", options.port), backlog=2048)
    signal.signal(signal.SIGTERM, _end)
    children = [_fork(listening, options.cpu / 1000, options.wait / 1000) for _ in range(options.workers)]
    try:
        os.wait()
    finally:
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)


def _end(*_: object) -> None:
    raise SystemExit(0)


def _fork(listening: socket.socket, cpu: float, wait: float) -> int:
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        while True:
            connection, _ = listening.accept()
            with contextlib.suppress(OSError), connection:
                connection.recv(65_536)
                until = time.thread_time() + cpu
                while time.thread_time() < until:
                    pass
                time.sleep(wait)
                connection.sendall(_ANSWER)
    return child


if __name__ == "__main__":
    main()
