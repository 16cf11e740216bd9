"""What `make dev` needs to know of the running stack. `test_readme.py` runs it."""

from pathlib import Path

import pytest

from stack.borrowing import borrowed, is_borrowed
from stack.exceptions import StackFailed
from stack.running import running


def test_a_stack_that_does_not_run_has_nothing_to_tell(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    (tmp_path / "running.json").write_text('{"items": {}}')
    assert running(tmp_path) is None
    assert running(tmp_path / "nothing") is None


def test_a_service_is_borrowed_once(tmp_path: Path) -> None:
    assert not is_borrowed(tmp_path, "items")
    with borrowed(tmp_path, "items"):
        assert is_borrowed(tmp_path, "items")
        with pytest.raises(StackFailed, match="another make dev runs items"), borrowed(tmp_path, "items"):
            pass
    assert not is_borrowed(tmp_path, "items")
