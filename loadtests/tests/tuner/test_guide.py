"""The commands of docs/tuning.md, run as they stand there, on two applications that are not Facet."""

import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from loadtests.bench.environment import ROOT
from loadtests.tuner.measuring.calibration import Calibration, stored

GUIDE = (ROOT / "docs/tuning.md").read_text()
BLOCKS = re.findall(r"```facet-tune\n(.*?)```", GUIDE, re.DOTALL)
DECIDED, INCONCLUSIVE = 0, 3
pytestmark = pytest.mark.skipif(
    not (ROOT / ".venv/bin/gunicorn").exists(), reason="gunicorn is not installed"
)


def _run(line: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """With the file's folder in a place of the test's own."""
    name, *arguments = shlex.split(line.replace("reports/", f"{folder}/"))
    assert name == "facet-tune"
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "loadtests.tuner.cli", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> list["subprocess.CompletedProcess[str]"]:
    """Both at once. The generator's own test has a test elsewhere."""
    folder = tmp_path_factory.mktemp("guide")
    for name in ("fastapi", "wsgi"):
        (folder / f"{name}.tuning").mkdir()
        stored(folder / f"{name}.tuning/calibration.json", lambda: Calibration(1000, "", 0.0, 250, 250, 1.0))
    lines = [block.splitlines() for block in BLOCKS]
    with ThreadPoolExecutor() as pool:
        for written in pool.map(lambda commands: _run(commands[0], folder), lines):
            assert written.returncode == 0, written.stdout + written.stderr
        return list(pool.map(lambda commands: _run(commands[1], folder), lines))


@pytest.mark.timeout(300)
def test_init_and_check_work_as_the_guide_says(checked: list["subprocess.CompletedProcess[str]"]) -> None:
    for done in checked:
        assert "1 worker: p99" in done.stdout, done.stdout + done.stderr
        assert ", 0 of 60 failed" in done.stdout
        assert re.search(r"run --quick: \d+ to \d+ minutes", done.stdout)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("block", BLOCKS, ids=["fastapi", "wsgi"])
def test_all_commands_of_the_guide_end_in_a_report(block: str, tmp_path: Path) -> None:
    for line in block.splitlines():
        done = _run(line, tmp_path)
        assert done.returncode in {DECIDED, INCONCLUSIVE}, done.stdout + done.stderr
    [report] = tmp_path.glob("*.tuning/report.html")
    assert "Capacity at the SLO" in report.read_text()


def test_the_guide_shows_both_kinds_of_applications() -> None:
    assert len(BLOCKS) == 2
    assert "UvicornWorker" in BLOCKS[0]
    assert "UvicornWorker" not in BLOCKS[1]
