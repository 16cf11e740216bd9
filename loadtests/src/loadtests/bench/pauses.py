"""How often cores stop whoever runs on them: what no server can answer in meanwhile.

`python -m loadtests.bench.pauses SECONDS` looks at the clock and at nothing else, and prints the milliseconds
of each pause above `SHORTEST`: the hypervisor, or a thread of the kernel, had the core.
"""

import gc
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from loadtests.bench.exceptions import BenchFailed

SHORTEST: Final = 0.001  # seconds


@dataclass(frozen=True, slots=True)
class Pauses:
    """Of all that was looked at: pauses a second, milliseconds a second, and the longest in milliseconds."""

    per_second: float
    ms_per_second: float
    longest_ms: float


def pauses(seconds: float) -> list[float]:
    """Milliseconds of each pause of this process."""
    found: list[float] = []
    last = time.perf_counter()
    end = last + seconds
    while last < end:
        now = time.perf_counter()
        if now - last > SHORTEST:
            found.append((now - last) * 1000)
        last = now
    return found


def pauses_of(cores: Sequence[int], seconds: float) -> list[list[float]]:
    """The pauses of each core while all of them are busy. Raises BenchFailed."""
    program = [sys.executable, "-m", __name__, str(seconds)]
    commands = [["taskset", "--cpu-list", str(core), *program] for core in cores]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE) for command in commands]  # noqa: S603 - ours
    outputs = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise BenchFailed("looking for pauses of the cores failed")
    return [json.loads(output) for output in outputs]


def summary(looks: Sequence[Sequence[float]], seconds: float) -> Pauses:
    """Of several looks at one core, each of so many seconds."""
    every = [pause for look in looks for pause in look]
    total = len(looks) * seconds
    return Pauses(
        round(len(every) / total, 2), round(sum(every) / total, 2), round(max(every, default=0.0), 2)
    )


if __name__ == "__main__":
    gc.disable()
    print(json.dumps(pauses(float(sys.argv[1]))))  # noqa: T201 - the result
