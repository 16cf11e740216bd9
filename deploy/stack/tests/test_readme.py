"""The README's commands, as a reader pastes them."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.catalogue import ROOT
from stack.testing import Demo

README = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"```bash\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def demo(folder: Path) -> Iterator[Demo]:
    running = Demo(folder, FACET_SAMPLE="0")
    try:
        running.says("Where to look")
        yield running
    finally:
        running.end()


def pasted(demo: Demo) -> str:
    """What the README's commands print, in a shell that stops at the first failure."""
    (commands,) = BLOCK.findall(README)
    here = commands.replace("http://127.0.0.1:8000", demo.gateway)
    bash = shutil.which("bash") or "bash"
    shell = subprocess.run(  # noqa: S603 - these lines are what is tested
        [bash, "-euo", "pipefail", "-c", here], capture_output=True, text=True, check=False
    )
    assert shell.returncode == 0, shell.stderr
    assert shell.stderr == ""
    return shell.stdout


def test_the_commands_work_twice_on_the_readers_own_item(demo: Demo) -> None:
    first, second = pasted(demo), pasted(demo)
    assert '"email":"ada@example.com"' in first
    assert '"status":409' in second
    for printed in (first, second):
        assert printed.count('"name":"Round diamond, 0.71 ct"') >= 2  # the one read, and in the list
        assert '"estimate"' in printed


def test_a_setting_turns_the_sample_off(demo: Demo) -> None:
    assert "real diamonds listed" not in demo.output
