"""The commands of docs/tuning.md, run as they stand there, on two applications that are not Facet."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from loadtests.bench.environment import ROOT
from loadtests.tuner.cli import main
from loadtests.tuner.measuring import command
from loadtests.tuner.measuring.calibration import Calibration, stored
from loadtests.tuner.measuring.command import CommandTarget

GUIDE = (ROOT / "docs/tuning.md").read_text()
BLOCKS = re.findall(r"```facet-tune\n(.*?)```", GUIDE, re.DOTALL)
APPLICATIONS = ("fastapi", "wsgi")
DECIDED, INCONCLUSIVE = 0, 3
pytestmark = pytest.mark.skipif(
    not (ROOT / ".venv/bin/gunicorn").exists(), reason="gunicorn is not installed"
)


def _arguments(line: str, folder: Path) -> list[str]:
    """With the file's folder in a place of the test's own."""
    name, *arguments = shlex.split(line.replace("reports/", f"{folder}/"))
    assert name == "facet-tune"
    return arguments


@pytest.mark.timeout(300)
@pytest.mark.parametrize("block", BLOCKS, ids=APPLICATIONS)
def test_init_and_check_work_as_the_guide_says(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With short loads, at most three workers, and without the generator's own test, tested elsewhere."""
    measure = CommandTarget.measure
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(command, "WARM_UPS", 1)
    monkeypatch.setattr(
        CommandTarget, "measure", lambda target, rate, _, seed: measure(target, rate, 1, seed)
    )
    for application in APPLICATIONS:
        (tmp_path / f"{application}.tuning").mkdir()
        kept = tmp_path / f"{application}.tuning/calibration.json"
        stored(kept, lambda: Calibration(1000, "", 0.0, 250, 250, 1.0))
    init, check, *_ = block.splitlines()
    assert main(_arguments(init, tmp_path)) == 0
    [file] = tmp_path.glob("*.toml")
    file.write_text(f"{file.read_text()}max_workers = 3\n")
    main(_arguments(check, tmp_path))
    said = capsys.readouterr().out
    for looked in ("1 worker", "2 workers", "3 workers"):
        assert f"{looked}: p99" in said
    assert re.search(", 0 of [1-9][0-9]* failed", said), said
    assert re.search(r"run --quick: (\d+ to|about) \d+ minutes?", said), said  # about: as long as it may take


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("block", BLOCKS, ids=APPLICATIONS)
def test_all_commands_of_the_guide_end_in_a_report(block: str, tmp_path: Path) -> None:
    for line in block.splitlines():
        done = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "loadtests.tuner.cli", *_arguments(line, tmp_path)],
            cwd=ROOT, capture_output=True, text=True, timeout=900, check=False,
        )  # fmt: skip
        assert done.returncode in {DECIDED, INCONCLUSIVE}, done.stdout + done.stderr
    [report] = tmp_path.glob("*.tuning/report.html")
    assert "Capacity at the SLO" in report.read_text()


def test_the_guide_shows_both_kinds_of_applications() -> None:
    assert len(BLOCKS) == 2
    assert "UvicornWorker" in BLOCKS[0]
    assert "UvicornWorker" not in BLOCKS[1]
