"""Cores that do not sleep while something is measured, as `cyclictest` keeps them awake.

In a virtual machine it can take more CPU time to wake a core than to answer a request. Under full load nobody
sleeps; under less, what is measured would be the hypervisor.
"""

import contextlib
import os
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

DEVICE: Final = Path("/dev/cpu_dma_latency")  # the kernel's admin-guide/pm/cpuidle.rst
TURNS: Final = 1000


@contextlib.contextmanager
def awake(device: Path = DEVICE) -> Iterator[bool]:
    """False where the kernel or the permissions do not allow it: cores sleep as ever."""
    kept = False
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            stack.enter_context(device.open("r+b", buffering=0)).write(struct.pack("i", 0))
            kept = True
        yield kept


def round_trip(here: int, there: int) -> float:
    """Microseconds from a byte written on one core until another has given it back, on average."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {here})
    mine, its = socket.socketpair()
    command = ["taskset", "--cpu-list", str(there), "cat"]
    try:
        with mine, subprocess.Popen(command, stdin=its.fileno(), stdout=its.fileno()):  # noqa: S603 - ours
            its.close()
            for _warm in (False, True):
                began = time.perf_counter()
                for _ in range(TURNS):
                    mine.send(b"x")
                    mine.recv(1)
            took = time.perf_counter() - began
            mine.close()  # ends it
            return took / TURNS * 1e6
    finally:
        os.sched_setaffinity(0, before)
