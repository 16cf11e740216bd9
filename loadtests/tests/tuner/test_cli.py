"""`facet-tune` as people use it, on a real server."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from loadtests.tuner import cli, run
from loadtests.tuner.cli import main
from loadtests.tuner.config import load
from loadtests.tuner.files import ResultsError
from loadtests.tuner.journal import Journal
from loadtests.tuner.measuring import command
from loadtests.tuner.measuring.calibration import Calibration, stored
from loadtests.tuner.measuring.command import CommandTarget
from loadtests.tuner.measuring.generate import GeneratorFailed

FIT = Calibration(1000, "", 0.0, 250, 250, 1.0)  # so that the tests need not wait for a real one
DIAL = f"{sys.executable} -m loadtests.tuner.dial --workers {{workers}} --port {{port}} --cpu 4"


def _file(tmp_path: Path) -> Path:
    file = tmp_path / "shop.toml"
    assert main(["init", DIAL, "--file", str(file)]) == 0
    (tmp_path / "shop.tuning").mkdir()
    stored(tmp_path / "shop.tuning/calibration.json", lambda: FIT)
    return file


def test_init_does_not_overwrite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = _file(tmp_path)
    before = file.read_text()
    assert main(["init", "other {workers} {port}", "--file", str(file)]) == 2
    assert "exists already" in capsys.readouterr().out
    assert file.read_text() == before


@pytest.mark.parametrize(
    "wrong", ["--pool 0", "--connections -4", "--cpus 1.5", "--max-workers x", "--minutes 0", "--minutes nan"]
)
def test_numbers_that_make_no_sense_are_refused(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["facet", *wrong.split()])
    assert ended.value.code == 2
    assert "is no " in capsys.readouterr().err


def test_init_leaves_no_file_that_cannot_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "shop.toml"
    assert main(["init", "serve -p {port}", "--file", str(file)]) == 2
    assert "holds no {workers}" in capsys.readouterr().out
    assert not file.exists()


def test_init_asks_for_the_values_of_other_placeholders(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "shop.toml"
    assert main(["init", "sérve {workers} {threads} {port} 😀", "--file", str(file)]) == 0
    assert "the values of threads under [tune]" in capsys.readouterr().out
    file.write_text(file.read_text("utf-8").replace("threads = []", "threads = [1, 8]"), "utf-8")
    assert load(file).knobs == {"threads": ("1", "8")}


def test_check_boots_it_and_says_what_is_excluded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file, measure = _file(tmp_path), CommandTarget.measure
    monkeypatch.setattr(command, "WARM_UP", 0.2)
    monkeypatch.setattr(command, "WARM_UPS", 1)
    monkeypatch.setattr(
        CommandTarget, "measure", lambda target, rate, _, seed: measure(target, rate, 0.5, seed)
    )
    file.write_text(file.read_text() + "cpus = 1\ndatabase_connections = 25\nconnections_per_worker = 10\n")
    main(["check", str(file)])
    said = capsys.readouterr().out
    assert "1 worker: p99" in said
    assert "run --quick: " in said
    assert "2: will be tried" in said
    assert "3: excluded, 30 database connections of 25" in said


def test_a_report_of_a_run_that_was_not_finished_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(_file(tmp_path))]) == 2
    assert "holds no measurements: facet-tune run begins one" in capsys.readouterr().out


def test_a_run_that_is_stopped_keeps_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file, measure = _file(tmp_path), CommandTarget.measure
    count = 0

    def stopping(self: CommandTarget, rate: float, seconds: float, seed: int):  # type: ignore[no-untyped-def] # as measure
        nonlocal count
        count += 1
        if count > 2:
            raise KeyboardInterrupt
        return measure(self, rate, 0.5, seed)

    monkeypatch.setattr(command, "WARM_UP", 0.2)
    monkeypatch.setattr(command, "WARM_UPS", 1)
    monkeypatch.setattr(CommandTarget, "measure", stopping)
    assert main(["run", str(file), "--quick"]) == 1
    assert "goes on from here" in capsys.readouterr().out
    assert main(["report", str(file), "--quick"]) == 2
    assert "the run is not finished" in capsys.readouterr().out
    assert main(["report", str(file)]) == 2
    assert "holds another run, of another plan (--quick" in capsys.readouterr().out
    folder = tmp_path / "shop.tuning"
    assert len(Journal(folder, json.loads((folder / "run.json").read_text())).kept) == 1 + 2


@pytest.mark.parametrize(
    ("trouble", "status", "said"),
    [
        (
            OSError(28, "No space left on device", "shop.tuning/x"),
            2,
            "shop.tuning/x: No space left on device",
        ),
        (ResultsError("it is damaged"), 2, "it is damaged"),
        (GeneratorFailed("the load generator ended with -9: it said nothing"), 4, "ended with -9"),
        (KeyboardInterrupt(), 1, "stopped, and everything that it started\n"),
    ],
)
def test_whatever_happens_is_one_line_and_a_status(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    trouble: BaseException,
    status: int,
    said: str,
) -> None:
    def fail(*_: object) -> bool:
        raise trouble

    file = _file(tmp_path)
    capsys.readouterr()
    monkeypatch.setattr(cli, "check", fail)
    assert main(["check", str(file)]) == status
    found = capsys.readouterr().out
    assert said in found
    assert found.count("\n") == 1


def test_sigterm_leaves_nothing_running(tmp_path: Path) -> None:
    file = _file(tmp_path)
    command = [sys.executable, "-m", "loadtests.tuner.cli", "run", str(file), "--quick"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603
    assert running.stdout is not None
    assert any("a first look" in line for line in running.stdout)
    children = psutil.Process(running.pid).children(recursive=True)
    while not children:
        children = psutil.Process(running.pid).children(recursive=True)
    os.kill(running.pid, signal.SIGTERM)
    assert running.wait(20) == 1
    running.stdout.close()
    assert not [child for child in children if child.is_running() and child.status() != "zombie"]


def test_a_generator_that_fails_its_test_measures_nothing_and_is_tested_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file, tests = _file(tmp_path), 0

    def calibrate(*_: object) -> Calibration:
        nonlocal tests
        tests += 1
        return replace(FIT, found=200)

    (tmp_path / "shop.tuning/calibration.json").unlink()
    monkeypatch.setattr(run, "calibrate", calibrate)
    for _ in range(2):
        assert main(["run", str(file), "--quick"]) == 4
    assert tests == 2
    assert "measured 200 requests/s of a stub that does 250" in capsys.readouterr().out
    assert not (tmp_path / "shop.tuning/measurements.jsonl").exists()
