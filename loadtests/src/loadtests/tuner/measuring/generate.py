"""Runs the generator's process."""

import json
import os
import subprocess
import sys
from collections.abc import Collection
from dataclasses import asdict

from loadtests.tuner.measuring.load import Load, Result


def generate(load: Load, cpus: Collection[int] = ()) -> Result:
    """On these CPUs, or on any."""
    done = subprocess.run(
        [sys.executable, "-m", "loadtests.tuner.measuring.load"],
        input=json.dumps(asdict(load)),
        capture_output=True,
        text=True,
        check=True,
        timeout=load.seconds + load.patience + 60,
        preexec_fn=(lambda: os.sched_setaffinity(0, cpus)) if cpus else None,
    )
    return Result(**json.loads(done.stdout))
