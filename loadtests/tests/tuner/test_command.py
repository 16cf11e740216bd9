"""Real processes under a real load: the demonstration server, stalled, broken and overloaded."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from loadtests.tuner.measuring import command
from loadtests.tuner.measuring.app import App
from loadtests.tuner.measuring.command import CommandTarget
from loadtests.tuner.measuring.processes import stop
from loadtests.tuner.measuring.requests import Request
from loadtests.tuner.model import Configuration, Limits, Slo

DIAL = (
    f"{sys.executable} -m loadtests.tuner.dial --workers {{workers}} --port {{port}} --cpu {{cpu}} --wait 1"
)
APP = App("dial", DIAL, [Request("/")], Slo(0.5), Limits(1))


@pytest.fixture
def target() -> Iterator[CommandTarget]:
    target = CommandTarget(APP)
    yield target
    target.close()


@pytest.fixture
def short_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what is not about the warm-up, which waits for as many workers as asked for in the first test."""
    monkeypatch.setattr(command, "WARM_UP", 0.2)
    monkeypatch.setattr(command, "WARM_UPS", 1)


def _processes(target: CommandTarget) -> list[psutil.Process]:
    assert target._process is not None
    parent = psutil.Process(target._process.pid)
    return [parent, *parent.children()]


def test_as_many_workers_as_asked_for_serve_and_all_are_gone_at_the_end(target: CommandTarget) -> None:
    target.roll_out(Configuration.of(3, cpu=1))
    first = _processes(target)
    assert len(first) == 4
    taken = target.measure(50, 1, 1)
    assert taken.requests == pytest.approx(50, abs=30)
    assert (taken.errors, taken.unsent, taken.unfinished) == (0, 0, 0)
    assert len(taken.resources.worker_shares["app"]) == 3
    assert (taken.resources.pss or 0) > 1024**2
    target.roll_out(Configuration.of(1, cpu=1))
    target.close()
    assert not [process for process in first if process.is_running()]


@pytest.mark.usefixtures("short_warm_up")
def test_the_same_seed_is_the_same_schedule(target: CommandTarget) -> None:
    target.roll_out(Configuration.of(1, cpu=1))
    assert target.measure(40, 1, 7).requests == target.measure(40, 1, 7).requests


@pytest.mark.usefixtures("short_warm_up")
def test_a_stall_is_in_the_tail_because_latency_counts_from_the_schedule(target: CommandTarget) -> None:
    target.roll_out(Configuration.of(1, cpu=1))
    worker = _processes(target)[1]

    before = worker.cpu_times()

    def stall() -> None:
        while worker.cpu_times() == before:  # the load has not begun
            time.sleep(0.01)
        os.kill(worker.pid, signal.SIGSTOP)
        time.sleep(1.0)  # this is the stall
        os.kill(worker.pid, signal.SIGCONT)

    stalling = threading.Thread(target=stall)
    stalling.start()
    taken = target.measure(50, 3, 1)
    stalling.join()
    assert taken.latencies.percentile(99) > 0.7
    assert taken.slow(Slo(0.3)) >= 10, "all that was due meanwhile is slow, not one request per connection"


@pytest.mark.usefixtures("short_warm_up")
def test_what_an_overloaded_server_does_not_answer_is_not_good(target: CommandTarget) -> None:
    target.roll_out(Configuration.of(1, cpu=20))
    taken = target.measure(400, 2, 1)
    assert taken.answered < 100
    assert taken.slow(APP.slo) > 0.5 * taken.requests
    assert taken.requests == pytest.approx(800, rel=0.15)


@pytest.mark.usefixtures("short_warm_up")
def test_a_wrong_status_is_an_error(target: CommandTarget) -> None:
    broken = CommandTarget(replace(APP, requests=[Request("/", status=201)]))
    try:
        broken.roll_out(Configuration.of(1, cpu=1))
        taken = broken.measure(30, 1, 1)
        assert taken.errors == taken.requests > 0
        assert taken.answered == 0
    finally:
        broken.close()


@pytest.mark.usefixtures("short_warm_up")
def test_a_rate_limit_makes_the_measurement_invalid(tmp_path: Path) -> None:
    script = tmp_path / "limited.py"
    script.write_text(
        "import sys\nfrom gevent.pywsgi import WSGIServer\n"
        "def app(environ, start):\n"
        "    start('200 OK' if environ['PATH_INFO'] == '/' else '429 Too Many Requests', [])\n"
        "    return [b'']\n"
        "WSGIServer(('127.0.0.1', int(sys.argv[1])), app, log=None).serve_forever()  # {workers}\n"
    )
    started = f"{sys.executable} {script} {{port}} {{workers}}"
    target = CommandTarget(replace(APP, command=started, requests=[Request("/limited")]))
    try:
        target.roll_out(Configuration.of(1))
        assert any("429" in reason for reason in target.measure(30, 1, 1).invalid)
    finally:
        target.close()


def test_what_does_not_stop_is_killed_with_its_children_in_other_groups(tmp_path: Path) -> None:
    script = tmp_path / "stubborn.py"
    script.write_text(
        "import signal, subprocess, sys\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "subprocess.Popen(['sleep', '60'], process_group=0)\nprint('up', flush=True)\nsignal.pause()\n"
    )
    process = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, start_new_session=True)  # noqa: S603
    assert process.stdout is not None
    process.stdout.readline()
    [child] = psutil.Process(process.pid).children()
    stop(process, 0.2)
    process.stdout.close()
    assert process.returncode == -signal.SIGKILL
    with contextlib.suppress(psutil.NoSuchProcess):
        assert child.status() == psutil.STATUS_ZOMBIE  # until init takes note
