"""How long a fixed piece of work takes on the target's CPUs while a load runs: the machine's own mood.

On a shared machine the same program may need twice the CPU time from one minute to the next, because
neighbours fill the caches and the memory bus. Nothing reports that as steal. The work is mostly cache misses,
as a server's is, and takes about 2 % of one CPU.
"""

import contextlib
import os
import random
import select
import statistics
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

_NUMBERS, _READS, _ORDERS = 400_000, 3_000, 16  # 13 MB, larger than a core's own cache
_GAP = 0.08  # seconds between two pieces of work
_FEWEST = 5


@dataclass(slots=True)
class Yardstick:
    """`seconds` of CPU time for one piece of work, mean; None until it is known."""

    seconds: float | None = None


@contextlib.contextmanager
def yardstick(cpus: Collection[int]) -> Iterator[Yardstick]:
    """Measures while the block runs."""
    found = Yardstick()
    with subprocess.Popen(  # noqa: S603 - this file
        [sys.executable, "-I", "-S", __file__, *map(str, sorted(cpus))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # when the run is stopped, nobody reads what it says
        text=True,
    ) as process:
        if process.stdout:
            process.stdout.readline()  # it is ready
        yield found
        said, _ = process.communicate()
    found.seconds = float(said) if said.strip() else None


def main(cpus: Sequence[int]) -> None:
    source = random.Random(1)  # noqa: S311 - work, not secrets
    numbers = [source.random() for _ in range(_NUMBERS)]
    orders = [[source.randrange(_NUMBERS) for _ in range(_READS)] for _ in range(_ORDERS)]
    taken: list[float] = []
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while not select.select([sys.stdin], [], [], _GAP)[0]:
        if cpus:
            os.sched_setaffinity(0, {cpus[len(taken) % len(cpus)]})
        taken.append(_work(numbers, orders[len(taken) % _ORDERS]))
    if len(taken) >= _FEWEST:
        sys.stdout.write(f"{statistics.fmean(taken):.9f}\n")


def _work(numbers: Sequence[float], order: Sequence[int]) -> float:
    """Seconds of CPU time."""
    total, begun = 0.0, time.thread_time()
    for place in order:
        total += numbers[place]
    return time.thread_time() - begun


if __name__ == "__main__":
    main([int(cpu) for cpu in sys.argv[1:]])
