"""Nothing is lost and nothing happens twice, whatever dies and whenever."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHORT, LONG, PROCESSES = 10, 10_000, 2


def begun(first: int, schedules: int) -> "subprocess.Popen[str]":
    """In a process of its own: one that forks must have neither threads nor a loop that runs."""
    command = [sys.executable, "-m", "tests.crashes", "--first", str(first), "--schedules", str(schedules)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # noqa: S603 - our own


def finished(process: "subprocess.Popen[str]") -> dict[str, float]:
    out, errors = process.communicate()
    assert process.returncode == 0, errors[-5000:]
    figures: dict[str, float] = json.loads(out.splitlines()[-1])
    return figures


def test_crashes_anywhere_lose_nothing_and_repeat_nothing() -> None:
    figures = finished(begun(0, SHORT))
    assert figures["deaths"] > SHORT, "they hardly died"


@pytest.mark.soak
def test_ten_thousand_schedules(capsys: pytest.CaptureFixture[str]) -> None:
    each = LONG // PROCESSES
    runs = [begun(1_000_000 + number * each, each) for number in range(PROCESSES)]
    figures = [finished(one) for one in runs]
    with capsys.disabled():
        sys.stdout.write(f"\n{figures}\n")
    assert sum(one["schedules"] for one in figures) == LONG
    assert sum(one["deaths"] for one in figures) > LONG
