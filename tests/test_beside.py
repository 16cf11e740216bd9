"""Two commands at once: the first is shown while it runs, the second afterwards."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "beside.py"


def run(other: str, command: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(PROGRAM), f'{sys.executable} -c "{other}"', sys.executable, "-c", command]
    return subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - our own


@pytest.mark.parametrize(
    ("other", "command", "status"), [(0, 0, 0), (0, 3, 3), (4, 0, 4), (4, 3, 3)], ids=str
)
def test_either_failure_is_a_failure(other: int, command: int, status: int) -> None:
    done = run(f"print('beside'); exit({other})", f"print('shown'); exit({command})")
    assert (done.returncode, done.stdout.split()) == (status, ["shown", "beside"])


def test_they_run_at_the_same_time(tmp_path: Path) -> None:
    """Each ends when it has seen the other's mark."""
    program = (
        "import pathlib, time\n"
        "pathlib.Path('{0}/{1}').touch()\n"
        "while not pathlib.Path('{0}/{2}').exists(): time.sleep(0.01)"
    )
    done = run(program.format(tmp_path, "one", "two"), program.format(tmp_path, "two", "one"))
    assert done.returncode == 0, done.stderr
