"""From an ONNX file to a version in the repository."""

from pathlib import Path

import pytest

from ml_predict.add import main
from ml_predict.repository import Repository


@pytest.fixture
def file(folder: Path, tmp_path: Path) -> Path:
    path = tmp_path / "given.onnx"
    path.write_bytes((folder / "model.onnx").read_bytes())
    return path


def add(repository: Path, file: Path, *more: str) -> int:
    return main([str(file), "--name", "mine", "--repository", str(repository), *more])


@pytest.mark.parametrize("columns", ["", "a,b,c,d,e,f,g,h,i"])
def test_an_added_model_is_served(tmp_path: Path, file: Path, columns: str) -> None:
    repository = tmp_path / "models"
    assert add(repository, file, *(["--columns", columns] if columns else [])) == 0
    served = Repository(repository)
    served.load_all()
    assert (served.find("mine").rows is not None) == bool(columns)


def test_what_cannot_be_served_is_not_added(
    tmp_path: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repository = tmp_path / "models"
    (tmp_path / "text.onnx").write_text("no graph")
    for path, more in (
        (tmp_path / "none.onnx", ()),
        (tmp_path / "text.onnx", ()),
        (file, ("--columns", "a,b")),
    ):
        assert add(repository, path, *more) == 1
        said = capsys.readouterr().err
        assert said.startswith("nothing added: ")
        assert said.count("\n") == 1
    assert not any(repository.glob("*/*"))


def test_a_version_is_never_overwritten(
    tmp_path: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add(tmp_path / "models", file) == 0
    assert add(tmp_path / "models", file) == 1
    assert "exists" in capsys.readouterr().err
    assert add(tmp_path / "models", file, "--version", "2") == 0


@pytest.mark.parametrize("name", ["..", "a/b", "", ".x"])
def test_a_name_that_is_no_folder_is_refused(tmp_path: Path, file: Path, name: str) -> None:
    with pytest.raises(SystemExit):
        main([str(file), "--name", name, "--repository", str(tmp_path / "models")])
