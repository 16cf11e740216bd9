"""Signals that stop a command, once, and processes that do not outlive it."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import psutil
import pytest

from loadtests.stopping import STOPPING, quiet, stoppable, uninterrupted

SLEEPS = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture(autouse=True)
def _own_handlers() -> Iterator[None]:
    """As in a terminal, also if the tests run under nohup."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in STOPPING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", sorted(STOPPING))
def test_each_of_them_interrupts_and_the_next_one_does_not_disturb_the_stopping(number: int) -> None:
    ended = False
    with pytest.raises(KeyboardInterrupt), stoppable():  # noqa: PT012 - what the block does is the case
        try:
            os.kill(os.getpid(), number)
        finally:
            for again in STOPPING:
                os.kill(os.getpid(), again)
            ended = True
    assert ended
    assert signal.getsignal(number) is signal.SIG_DFL


def test_nohup_still_ignores_the_closed_terminal() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with stoppable():
        os.kill(os.getpid(), signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_a_signal_during_a_start_comes_afterwards() -> None:
    """Also where there are other threads, which a mask would not hold for."""
    done, known = threading.Event(), False
    other = threading.Thread(target=done.wait)
    other.start()
    with pytest.raises(KeyboardInterrupt), stoppable(), uninterrupted():  # noqa: PT012 - likewise
        os.kill(os.getpid(), signal.SIGTERM)
        known = True
    done.set()
    other.join()
    assert known


def test_what_a_killed_command_has_started_ends_too() -> None:
    starts = (
        "import subprocess, time\nfrom loadtests.stopping import in_child\n"
        f"print(subprocess.Popen({SLEEPS!r}, preexec_fn=in_child, start_new_session=True).pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", starts], stdout=subprocess.PIPE, text=True) as parent:  # noqa: S603
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    psutil.wait_procs([child], timeout=10)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_output_that_nobody_reads_is_no_error_any_more(capfd: pytest.CaptureFixture[str]) -> None:
    kept = [os.dup(1), os.dup(2)]
    try:
        quiet()
        os.write(1, b"into nowhere")
    finally:
        for stream, copy in enumerate(kept, 1):
            os.dup2(copy, stream)
            os.close(copy)
    assert capfd.readouterr().out == ""
