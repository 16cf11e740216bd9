"""The command."""

from pathlib import Path

import pandas as pd
import pytest

from ml_training import __main__ as command
from ml_training import digits
from ml_training.build import Build, build
from ml_training.digits import build as build_digits
from ml_training.fit import Recipe


def test_the_command_writes_the_model_and_the_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def quick(rows: pd.DataFrame) -> Build:
        return build(rows.iloc[::5], Recipe(n_estimators=5), minimum_r2=0)

    monkeypatch.setattr(command, "build", quick)
    few = digits.Recipe(members=2)
    monkeypatch.setattr(command.digits, "build", lambda: build_digits(few, minimum=0))
    assert command.main(["--repository", str(tmp_path), "--sample", str(tmp_path / "sample.csv")]) == 0
    assert (tmp_path / "diamond-price" / "1" / "model.onnx").stat().st_size > 0
    assert (tmp_path / "digits" / "1" / "model.onnx").stat().st_size > 0
    assert len(pd.read_csv(tmp_path / "sample.csv")) == 300
    assert "coverage" in capsys.readouterr().out


def test_a_model_that_is_not_good_enough_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def weak(rows: pd.DataFrame) -> Build:
        return build(rows.iloc[::5], Recipe(n_estimators=1))

    monkeypatch.setattr(command, "build", weak)
    assert command.main(["--repository", str(tmp_path), "--sample", str(tmp_path / "sample.csv")]) == 1
    assert "nothing written: R2" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
