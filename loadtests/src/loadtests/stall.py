"""A stall of one second, seen by an open and by a closed loop: `python -m loadtests.stall`.

The server is `loadtests.tuner.dial` with one worker; SIGSTOP stops it for one second in the middle of each
load. Both loads have the same mean rate. `--write FILE` puts the table into the part of FILE named `stall`.
"""

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import psutil

from loadtests.bench.rig import free_port
from loadtests.stopping import in_child, stoppable
from loadtests.tuner.blocks import replace_block
from loadtests.tuner.histogram import Histogram
from loadtests.tuner.measuring.generate import generate
from loadtests.tuner.measuring.load import Load
from loadtests.tuner.measuring.requests import Request

USERS = 5
PAUSE = 0.05  # seconds that a user of the closed loop waits between requests
STALL = 1.0


@dataclass(frozen=True, slots=True)
class Seen:
    kind: str
    latencies: Histogram

    @property
    def row(self) -> str:
        milliseconds = [f"{1000 * self.latencies.percentile(percent):.0f}" for percent in (50, 99, 99.9)]
        return f"| {self.kind} | {self.latencies.total} | {' | '.join(milliseconds)} |"


def compare(seconds: float) -> list[Seen]:
    """Both loads on the same server, with a stall in the middle of each."""
    rate = USERS / PAUSE
    with _server() as (port, worker):
        with _stalled(worker, seconds / 2):
            load = Load(port, rate, seconds, 1, [Request("/")], even=True)
            done = generate(load)
        opened = Histogram({int(bucket): count for bucket, count in done.latencies.items()})
        with _stalled(worker, seconds / 2):
            closed = Histogram.of(_closed_loop(port, seconds))
    return [Seen("open loop", opened), Seen("closed loop", closed)]


def _closed_loop(port: int, seconds: float) -> list[float]:
    latencies: list[float] = []
    end = time.perf_counter() + seconds

    def user() -> None:
        while (begun := time.perf_counter()) < end:
            connection = HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("GET", "/")
            connection.getresponse().read()
            connection.close()
            taken = time.perf_counter() - begun
            latencies.append(taken)
            time.sleep(max(0.0, PAUSE - taken))

    users = [threading.Thread(target=user) for _ in range(USERS)]
    for number, thread in enumerate(users):
        threading.Timer(number * PAUSE / USERS, thread.start).start()
    time.sleep(PAUSE)
    for thread in users:
        thread.join()
    return latencies


@contextmanager
def _stalled(worker: int, after: float) -> Iterator[None]:
    def stall() -> None:
        time.sleep(after)
        os.kill(worker, signal.SIGSTOP)
        time.sleep(STALL)
        os.kill(worker, signal.SIGCONT)

    thread = threading.Thread(target=stall)
    thread.start()
    try:
        yield
    finally:
        thread.join()


@contextmanager
def _server() -> Iterator[tuple[int, int]]:
    """Its port, and the process id of its worker."""
    port = free_port()
    command = [sys.executable, "-m", "loadtests.tuner.dial", "--port", str(port), "--cpu", "1"]
    with subprocess.Popen(command, preexec_fn=in_child) as process:  # noqa: S603, PLW1509 - our own; no threads
        try:
            while not (workers := psutil.Process(process.pid).children()):
                time.sleep(0.02)
            yield port, workers[0].pid
        finally:
            process.terminate()


def table(seen: list[Seen], seconds: float) -> str:
    head = "| | requests | p50, ms | p99, ms | p99.9, ms |\n|---|---|---|---|---|\n"
    rows = "\n".join(one.row for one in seen)
    said = f"{USERS / PAUSE:.0f} requests/s for {seconds:g} s, a stall of {STALL:g} s in the middle."
    return f"{head}{rows}\n\n{said}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m loadtests.stall", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each load")
    parser.add_argument("--write", type=Path, help="document with a part named stall")
    options = parser.parse_args(arguments)
    try:
        with stoppable():
            text = table(compare(options.seconds), options.seconds)
    except KeyboardInterrupt:
        sys.stdout.write("stopped; nothing was written\n")
        return 1
    sys.stdout.write(f"{text}\n")
    if options.write:
        replace_block(options.write, "stall", text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
