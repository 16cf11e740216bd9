"""A folder of results: one run at a time, nothing half written, and what is damaged is named."""

from pathlib import Path

import pytest

from loadtests.tuner import files
from loadtests.tuner.files import ResultsError, alone, kept, put
from loadtests.tuner.journal import Journal
from loadtests.tuner.measuring.calibration import stored
from loadtests.tuner.verified import kept as kept_check

RUN = {"target": "simulated"}


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "shop.tuning"
    with alone(folder):
        assert folder.is_dir()
        with pytest.raises(ResultsError, match=r"shop\.tuning is in use by another run"), alone(folder):
            pass
    with alone(folder):
        pass


def test_a_file_that_cannot_be_written_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "summary.json"
    put(file, "1")
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(ResultsError, match=r"summary\.json cannot be written: No space left"):
        put(file, "2")
    assert [path.name for path in tmp_path.iterdir()] == ["summary.json"]
    assert kept(file) == 1


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    for name, read in (
        ("calibration.json", lambda file: stored(file, pytest.fail)),
        ("verified.json", kept_check),
    ):
        (tmp_path / name).write_text('{"limit": 1')
        with pytest.raises(ResultsError, match=rf"{name} is damaged .*: remove it"):
            read(tmp_path / name)
    (tmp_path / "calibration.json").write_text('{"limit": 1}')
    with pytest.raises(files.ResultsError, match=r"calibration\.json is damaged"):
        stored(tmp_path / "calibration.json", pytest.fail)


def test_a_full_disk_is_told_and_what_was_measured_before_is_kept(tmp_path: Path) -> None:
    journal = Journal(tmp_path, RUN)
    journal.add({"ready": 1.0})
    journal.path = Path("/dev/full")
    with pytest.raises(ResultsError, match="cannot be written: No space left"):
        journal.add({"rate": 1.0})
    assert Journal(tmp_path, RUN).kept == [{"ready": 1.0}]


def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path) -> None:
    Journal(tmp_path, RUN).add({"ready": 1.0})
    lines = tmp_path / "measurements.jsonl"
    lines.write_text(lines.read_text() + '{"rate": \n{"rate": 2}\n')
    with pytest.raises(ResultsError, match=r"measurements\.jsonl, line 2 is damaged"):
        Journal(tmp_path, RUN)
