"""Whole runs on a real server whose best count is known because its work is."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from loadtests.tuner.config import split
from loadtests.tuner.measuring.app import App
from loadtests.tuner.measuring.command import CommandTarget
from loadtests.tuner.measuring.requests import Request
from loadtests.tuner.model import Limits, Slo
from loadtests.tuner.outcome import Outcome, Verdict
from loadtests.tuner.plan import QUICK
from loadtests.tuner.run import Run
from loadtests.tuner.session import Session

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1500)]


def _tuned(folder: Path, work: str, most: int) -> Outcome:
    cpus = split(None)
    command = f"{sys.executable} -m loadtests.tuner.dial --workers {{workers}} --port {{port}} {work}"
    app = App(
        "dial", command, [Request("/")], Slo(0.25), Limits(1, max_workers=most),
        target_cpus=cpus.target, load_cpus=cpus.load,
    )  # fmt: skip
    said: list[str] = []
    run = Run(app, replace(QUICK, within=300.0), folder, "facet-tune run dial.toml", said.append)
    outcome, about = run.measured(Session, CommandTarget(app))
    run.report(outcome, about)
    return outcome


def test_workers_that_wait_for_one_lock_are_not_the_bottleneck(tmp_path: Path) -> None:
    outcome = _tuned(tmp_path, "--cpu 0.5 --shared 15", 3)
    assert outcome.verdict is Verdict.NOT_WORKERS, outcome.why
    assert outcome.choice is not None
    assert outcome.choice.total_workers == 1
    assert outcome.bottleneck is not None
    assert outcome.bottleneck.kind == "waiting"


def test_blocking_workers_that_wait_are_more_than_the_cpus(tmp_path: Path) -> None:
    """10 ms of each request are waiting and hardly any is CPU: each worker adds its 90 requests a second."""
    outcome = _tuned(tmp_path, "--cpu 0.5 --wait 20", 4)
    assert outcome.choice is not None
    assert outcome.choice.total_workers == 4
    assert outcome.verdict in {Verdict.DECIDED, Verdict.INCONCLUSIVE}
