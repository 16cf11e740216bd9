"""Runs a generator's process."""

import json
import os
import subprocess
import sys
from collections.abc import Collection
from dataclasses import asdict
from typing import Any

from loadtests.tuner.measuring.load import Load, Result
from loadtests.tuner.measuring.second import Answers


def generate(load: Load, cpus: Collection[int] = ()) -> Result:
    """On these CPUs, or on any."""
    return Result(**_run("locust_load" if load.locustfile else "http_load", load, cpus))


def generate_otherwise(load: Load, cpus: Collection[int] = ()) -> Answers:
    """By the second generator."""
    return Answers(**_run("second", load, cpus))


def _run(module: str, load: Load, cpus: Collection[int]) -> dict[str, Any]:
    done = subprocess.run(  # noqa: S603 - our own generators
        [sys.executable, "-m", f"loadtests.tuner.measuring.{module}"],
        input=json.dumps(asdict(load)),
        capture_output=True,
        text=True,
        check=True,
        timeout=load.seconds + load.patience + 90,
        preexec_fn=(lambda: os.sched_setaffinity(0, cpus)) if cpus else None,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
