"""The assertions of all test modules are rewritten before any of them is collected."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from _pytest.assertion import rewrite

from shared.testing.rewriting import rewrite_all


@pytest.fixture
def config(tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    """That of this run, for a project of its own."""
    real = request.config

    def getini(name: str) -> object:
        return ["tests"] if name == "testpaths" else real.getini(name)

    return SimpleNamespace(rootpath=tmp_path, getini=getini, getoption=real.getoption, stash=real.stash)


def kept(file: Path) -> Path:
    return rewrite.get_cache_dir(file) / f"{file.stem}{rewrite.PYC_TAIL}"


def test_what_pytest_finds_afterwards_says_what_was_compared(tmp_path: Path, config: Any) -> None:
    files = [tmp_path / "tests" / name for name in ("test_a.py", "deep/test_b.py", "deep/conftest.py")]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("n = 1\nassert n == 2\n")
    (tmp_path / "tests/parts.py").write_text("")
    rewrite_all(cast("pytest.Config", config), 2)
    for file in files:
        code = rewrite._read_pyc(file, kept(file))
        assert code is not None
        with pytest.raises(AssertionError, match="assert 1 == 2"):
            exec(code, {})  # noqa: S102 - written above
    assert not kept(tmp_path / "tests/parts.py").exists()


def test_a_module_that_cannot_be_read_keeps_no_other_from_it(tmp_path: Path, config: Any) -> None:
    (tmp_path / "tests").mkdir()
    wrong, right = tmp_path / "tests/test_a.py", tmp_path / "tests/test_b.py"
    wrong.write_text("assert (")
    right.write_text("assert True")
    rewrite_all(cast("pytest.Config", config), 1)
    assert not kept(wrong).exists()
    assert kept(right).exists()
