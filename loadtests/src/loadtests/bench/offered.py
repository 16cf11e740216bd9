"""`open_loop.py` run on the load's core: a rate is offered, whatever the answers take."""

import json
import secrets
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtests.bench import environment
from loadtests.bench.exceptions import BenchFailed
from loadtests.bench.rig import Rig

PROGRAM = Path(__file__).parent / "open_loop.py"
CONNECTIONS = 64


@dataclass(frozen=True, slots=True)
class Offered:
    """Answers a second, and milliseconds from when each request was due."""

    rate: float
    answered: int
    failed: int
    p50: float
    p90: float
    p99: float
    p999: float


def offered(
    requests: Sequence[str],
    port: int,
    rate: float,
    seconds: float,
    rig: Rig,
    start: float = 0.0,
    seed: int = 1,
) -> Offered:
    """From `start` of the monotonic clock on, or as soon as the program is ready; `seed` is of the arrivals.

    Raises BenchFailed when the program fails; a request that fails is counted.
    """
    listed = rig.folder / f"requests-{secrets.token_hex(4)}.json"  # several may run at once
    listed.write_text(json.dumps(requests), encoding="utf-8")
    command = ["taskset", "--cpu-list", str(rig.cores.load), str(environment.our_python()), str(PROGRAM)]
    command += [str(port), str(listed), str(rate), str(seconds), str(CONNECTIONS), str(start), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603 - ours
    if done.returncode:
        raise BenchFailed(f"the open loop failed: {done.stderr.strip()[-300:]}")
    found = json.loads(done.stdout)
    return Offered(found["answered"] / seconds, **found)
