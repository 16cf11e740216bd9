"""Runs a generator's process."""

import json
import os
import subprocess
import sys
from collections.abc import Collection
from dataclasses import asdict
from typing import Any

from loadtests.stopping import in_child
from loadtests.tuner.measuring.load import Load, Result
from loadtests.tuner.measuring.second import Answers

_FURTHER = 90.0  # seconds that it may take beside the load


class GeneratorFailed(Exception):
    """The generator ended without a result; says how."""


def generate(load: Load, cpus: Collection[int] = ()) -> Result:
    """On these CPUs, or on any. Raises GeneratorFailed."""
    return Result(**_run("locust_load" if load.locustfile else "http_load", load, cpus))


def generate_otherwise(load: Load, cpus: Collection[int] = ()) -> Answers:
    """By the second generator. Raises GeneratorFailed."""
    return Answers(**_run("second", load, cpus))


def _run(module: str, load: Load, cpus: Collection[int]) -> dict[str, Any]:
    def prepare() -> None:
        in_child()
        if cpus:
            os.sched_setaffinity(0, cpus)

    try:
        done = subprocess.run(  # noqa: S603 - our own generators
            [sys.executable, "-m", f"loadtests.tuner.measuring.{module}"],
            input=json.dumps(asdict(load)), capture_output=True, text=True, check=True,
            timeout=load.seconds + load.patience + _FURTHER, preexec_fn=prepare,
        )  # fmt: skip
        answer: dict[str, Any] = json.loads(done.stdout.rstrip().rpartition("\n")[2])
    except subprocess.CalledProcessError as error:
        last = error.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise GeneratorFailed(f"the load generator ended with {error.returncode}: {last[0]}") from error
    except subprocess.TimeoutExpired as error:
        raise GeneratorFailed(f"the load generator did not end within {error.timeout:.0f} s") from error
    return answer
