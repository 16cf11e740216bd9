"""Real processes, pinned, stopped whatever happens; real nginx and wrk where they are installed."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from loadtests.bench import contract, nginx, rig, wrk
from loadtests.bench.exceptions import BenchFailed
from loadtests.bench.identity import Issuer
from loadtests.bench.rig import Cores, Rig, choose_cores, free_port
from loadtests.bench.rounds import order

CORE = min(os.sched_getaffinity(0))
SLEEPS = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
installed = pytest.mark.skipif(
    not (rig.find("nginx") and rig.find("wrk")), reason="nginx and wrk are not installed"
)


@pytest.fixture
def cores() -> Cores:
    return Cores(CORE, CORE)


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def start_sleeper(used: Rig, *more: str) -> int:
    log = used.log("sleeper")
    command = [SLEEPS[0], "-c", more[0]] if more else SLEEPS
    used.start("sleeper", command, core=CORE, ready=lambda: log.read_bytes().startswith(b"up"))
    return used.pids()[-1]


def test_an_error_leaves_nothing_behind(cores: Cores) -> None:
    with pytest.raises(ZeroDivisionError), Rig(cores) as used:  # noqa: PT012 - what the block does is the case
        pid, folder = start_sleeper(used), used.folder
        assert alive(pid)
        assert os.sched_getaffinity(pid) == {CORE}
        _ = 1 / 0
    assert not alive(pid)
    assert not folder.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_nothing_behind(cores: Cores, number: int, request: pytest.FixtureRequest) -> None:
    given = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it is ignored
    request.addfinalizer(lambda: signal.signal(signal.SIGHUP, given))
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), Rig(cores) as used:  # noqa: PT012 - likewise
        pid = start_sleeper(used)
        os.kill(os.getpid(), number)
    assert not alive(pid)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def runs(pid: int) -> bool:
    """Whether there is such a process that is no zombie: init may not have buried an orphan yet."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_what_ignores_sigterm_and_has_children_is_stopped_too(
    cores: Cores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rig, "STOP_TIMEOUT", 0.1)
    deaf = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = os.fork()\n"
        "if child: print('up', child, flush=True)\n"
        "time.sleep(600)\n"
    )
    with Rig(cores) as used:
        pid = start_sleeper(used, deaf)
        child = int(used.log("sleeper").read_text().split()[1])
        assert alive(child)
    assert not alive(pid)
    deadline = time.monotonic() + 10
    while runs(child):  # a kill is not over when it is sent
        assert time.monotonic() < deadline, "the child runs on"
        time.sleep(0.01)


def test_what_does_not_start_is_named_with_its_last_words(cores: Cores) -> None:
    with Rig(cores) as used, pytest.raises(BenchFailed, match=r"broken did not start: .*no such thing"):
        used.start("broken", [SLEEPS[0], "-c", "exit('no such thing')"], core=CORE, ready=lambda: False)


def test_what_dies_in_between_is_noticed(cores: Cores) -> None:
    with Rig(cores) as used:
        pid = start_sleeper(used)
        used.check_alive()
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # until it is dead; it is not buried here
        with pytest.raises(BenchFailed, match="sleeper ended by itself"):
            used.check_alive()


def test_processes_do_not_inherit_settings(cores: Cores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    shown = "import os, time; print('up', sorted(os.environ), flush=True); time.sleep(600)"
    with Rig(cores) as used:
        start_sleeper(used, shown)
        assert "HTTP_PROXY" not in used.log("sleeper").read_text()


def test_a_quota_of_one_core_is_not_two(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    with pytest.raises(BenchFailed, match="needs two cores"):
        choose_cores(tmp_path)


@installed
def test_a_real_load_on_a_real_upstream(cores: Cores) -> None:
    port, issuer, body = free_port(), Issuer(), '{"id": 1}'
    with Rig(cores) as used:
        command = nginx.upstream_command(used.folder, port, body, issuer.jwks)
        used.start("upstream", command, core=CORE, ready=lambda: contract.answers(port, None))
        assert contract.ask(port, None) == (200, body.encode())
        assert contract.ask(port, None, nginx.JWKS_PATH) == (200, issuer.jwks.encode())
        script = used.folder / "callers.lua"
        wrk.write_callers(script, [issuer.token(1), issuer.token(2)])
        url = f"http://127.0.0.1:{port}/users/me"
        sample = wrk.run(url, seconds=1, connections=4, core=CORE, script=script)
        assert sample.requests > 100
        assert 0 < sample.p50 <= sample.p99


@installed
def test_a_load_on_nobody_is_no_figure() -> None:
    with pytest.raises(BenchFailed, match="not the output of wrk"):
        wrk.run(f"http://127.0.0.1:{free_port()}/", seconds=1, connections=1, core=CORE)


@installed
def test_a_load_that_is_refused_is_no_figure(cores: Cores) -> None:
    port = free_port()
    with Rig(cores) as used:
        upstream = nginx.upstream_command(used.folder, port, "{}", "{}")
        used.start("upstream", upstream, core=CORE, ready=lambda: contract.answers(port, None))
        config = used.folder / "upstream.conf"
        assert contract.ask(port, None)[0] == 200
        config.write_text(config.read_text().replace("return 200", "return 503"))
        os.kill(used.pids()[-1], signal.SIGHUP)
        while contract.answers(port, None):
            used.check_alive()
        with pytest.raises(BenchFailed, match="under load failed"):
            wrk.run(f"http://127.0.0.1:{port}/", seconds=1, connections=1, core=CORE)


def test_each_round_has_everyone_and_another_begins() -> None:
    assert list(order("abc", 3)) == list("abcbcacab")
