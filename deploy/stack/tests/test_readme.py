"""The README's commands, as a reader pastes them."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
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


def test_one_command_shows_a_request_in_every_service_that_saw_it(demo: Demo) -> None:
    account = {"username": "ada@example.com", "password": "correct horse battery"}
    token = httpx2.post(f"{demo.gateway}/auth/token", data=account).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    listing = {"name": "seen", "price": "1.00"}
    answer = httpx2.post(f"{demo.gateway}/items", json=listing, headers=headers)
    shown = made(demo, "logs", ID=answer.headers["X-Request-ID"])
    lines = [line for line in shown.splitlines() if "path=/items" in line]
    assert {line.split()[1] for line in lines} == {"gateway", "items"}
    assert all("method=POST" in line and "status=201" in line for line in lines)


def test_one_command_makes_an_administrator(demo: Demo) -> None:
    assert "make admin EMAIL=" in demo.output
    assert "ada@example.com is an administrator now" in made(demo, "admin", EMAIL="ada@example.com")


def made(demo: Demo, target: str, **given: str) -> str:
    """What `make TARGET NAME=VALUE …` prints."""
    words = ["make", "--no-print-directory", "-o", ".venv/.services", target]
    words += [f"{name}={value}" for name, value in given.items()]
    run = subprocess.run(  # noqa: S603 - ours
        words, cwd=ROOT, env=demo.environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_a_setting_turns_the_sample_off(demo: Demo) -> None:
    assert "real diamonds listed" not in demo.output
