"""`make dev`: one service with reload beside the running stack."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from shared.testing import NO_TLS
from shared.testing.waiting import eventually
from stack.borrowing import borrowed, is_borrowed
from stack.catalogue import ROOT, services
from stack.dev import watched
from stack.exceptions import StackFailed
from stack.running import running
from stack.testing import Demo


@pytest.fixture(scope="module")
def demo(folder: Path) -> Iterator[Demo]:
    started = Demo(folder, FACET_SAMPLE="0")
    try:
        started.says("Where to look")
        yield started
    finally:
        started.end()


def test_a_service_runs_with_reload_and_goes_back_to_the_stack(demo: Demo, tmp_path: Path) -> None:
    of_the_stack = demo.process_of("-m ml_predict")
    with (tmp_path / "shown").open("w") as shown:
        dev = subprocess.Popen(
            [sys.executable, "-m", "stack.dev", "ml-predict"], cwd=ROOT, env=demo.environment, stdout=shown
        )
    try:
        demo.says("ml-predict is stopped: make dev runs it")
        eventually(lambda: ready(demo) and demo.process_of("-m ml_predict") != of_the_stack)
        first = demo.process_of("-m ml_predict")
        os.utime(watched(services()["ml-predict"])[0] / "ml_predict" / "routes.py")
        eventually(lambda: "changed: routes.py" in (tmp_path / "shown").read_text())
        eventually(lambda: ready(demo) and demo.process_of("-m ml_predict") != first)
    finally:
        dev.send_signal(signal.SIGINT)
        dev.wait(30)
    demo.says("ml-predict is started again")
    eventually(lambda: ready(demo))


def ready(demo: Demo) -> bool:
    """True if the model's own process answers and `process_of` can find it."""
    if not any("-m ml_predict" in command for command in demo.processes().values()):
        return False
    try:
        url = f"http://127.0.0.1:{demo.ports['ML_PREDICT_PORT']}/ready"
        return httpx2.get(url, timeout=2, trust_env=False, verify=NO_TLS).is_success
    except httpx2.TransportError:
        return False


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
