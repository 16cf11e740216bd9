"""`open_loop.py` run on the load's core: a rate is offered, whatever the answers take."""

import json
import secrets
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from loadtests.bench.exceptions import BenchFailed
from loadtests.bench.rig import Rig

PROGRAM = Path(__file__).parent / "open_loop.py"
CONNECTIONS = 64


@dataclass(frozen=True, slots=True)
class Stream:
    """Requests a second for some seconds, from `delay` seconds after the start; `seed` is of the arrivals."""

    requests: Sequence[str]
    rate: float
    seconds: float
    delay: float = 0.0
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Offered:
    """Answers a second, and milliseconds from when each request was due.

    `p99_tenth` is the p99 of the median tenth of a second, or `p99` where a tenth has too few answers.
    """

    rate: float
    answered: int
    failed: int
    p50: float
    p90: float
    p99: float
    p999: float
    p99_tenth: float


def offered(requests: Sequence[str], port: int, rate: float, seconds: float, rig: Rig) -> Offered:
    """As soon as the program is ready. Raises BenchFailed when it fails; a request that fails is counted."""
    return offered_together([Stream(requests, rate, seconds)], port, rig)[0]


def offered_together(streams: Sequence[Stream], port: int, rig: Rig, start: float = 0.0) -> list[Offered]:
    """By one program, from `start` of the monotonic clock on, or as soon as it is ready.

    Raises BenchFailed when the program fails; a request that fails is counted.
    """
    listed = rig.folder / f"requests-{secrets.token_hex(4)}.json"
    listed.write_text(json.dumps([asdict(stream) for stream in streams]), encoding="utf-8")
    command = ["taskset", "--cpu-list", str(rig.cores.load), sys.executable, str(PROGRAM)]
    command += [str(port), str(listed), str(CONNECTIONS), str(start)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)  # noqa: S603 - ours
    listed.unlink()
    if done.returncode:
        raise BenchFailed(f"the open loop failed: {done.stderr.strip()[-300:]}")
    found = zip(streams, json.loads(done.stdout), strict=True)
    return [Offered(one["answered"] / stream.seconds, **one) for stream, one in found]
