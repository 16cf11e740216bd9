"""`python -m loadtests.tuner.simulator`: what it prints and writes."""

from pathlib import Path

import pytest

from loadtests.tuner.simulator.__main__ import main


def test_it_says_what_it_tries_and_writes_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.html"
    assert main(["--cores", "2", "--cpu", "8", "--report", str(report)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "1: a first look"
    assert said[-1].startswith("decided: ")
    assert "loadtests.tuner.simulator --cores 2 --cpu 8" in report.read_text()


def test_an_impossible_slo_is_a_failure() -> None:
    assert main(["--cpu", "100", "--slo", "1"]) == 1


@pytest.mark.parametrize(("options", "least", "most"), [([], 2, 3), (["--wait", "24", "--blocking"], 7, 9)])
def test_blocking_work_that_waits_needs_more_workers(
    options: list[str], least: int, most: int, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--cores", "2", "--cpu", "8", *options])
    confirmed = [line for line in capsys.readouterr().out.splitlines() if "a fresh boot" in line][-1]
    assert least <= int(confirmed.split(":")[0]) <= most
