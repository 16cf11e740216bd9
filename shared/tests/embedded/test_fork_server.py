"""Processes from the fork server are what `python -m` would have started."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shared.embedded.fork_server import UNKNOWN
from shared.embedded.forking import AVAILABLE, ForkedProcess, ForkServer

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="processes are started by exec here")

DESCRIBE = """
import json, os, sys, threading
print(json.dumps({
    "name": __name__, "arguments": sys.argv[1:], "environment": dict(os.environ), "group": os.getpgrp(),
    "open": sorted(int(name) for name in os.listdir("/proc/self/fd"))[:-1], "input": sys.stdin.read(),
    "threads": len(os.listdir("/proc/self/task")), "loaded": list(sys.modules),
    "title": open("/proc/self/cmdline").read().rstrip("\\0"),
}))
"""
Fork = Callable[[str], ForkedProcess]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For modules that the server can import, and logs."""
    return tmp_path_factory.mktemp("forked")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ForkServer]:
    server = ForkServer(folder / "server.log")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def fork(server: ForkServer, folder: Path, request: pytest.FixtureRequest) -> Fork:
    """Runs a program as a module of the test's name; its log has that name too."""

    def run(program: str) -> ForkedProcess:
        name = request.node.originalname
        (folder / f"{name}.py").write_text(program)
        (folder / f"{name}.log").unlink(missing_ok=True)
        return server.fork(["-m", name], {**os.environ, "OWN": "yes"}, folder / f"{name}.log")

    return run


def test_it_has_what_is_its_own_and_nothing_of_the_server(fork: Fork, folder: Path) -> None:
    process = fork(DESCRIBE)
    assert process.wait(30) == 0
    name = "test_it_has_what_is_its_own_and_nothing_of_the_server"
    found = json.loads((folder / f"{name}.log").read_text())
    assert found["name"] == "__main__"
    assert found["environment"] == {**os.environ, "OWN": "yes"}
    assert found["title"].endswith(f"python -m {name}")
    assert (found["arguments"], found["group"], found["input"]) == ([], process.pid, "")
    assert (found["open"], found["threads"]) == ([0, 1, 2], 1)
    assert {"fastapi", "sqlalchemy", "asyncpg"} <= set(found["loaded"])
    assert [one for one in found["loaded"] if one.startswith(("prometheus_client", "shared", "users"))] == []


@pytest.mark.parametrize(
    ("program", "status", "said"),
    [
        ("raise SystemExit(3)", 3, ""),
        ("raise SystemExit('one line')", 1, "one line\n"),
        ("import atexit; atexit.register(print, 'the end')", 0, "the end\n"),
        ("raise ValueError('a fault')", 1, "ValueError: a fault\n"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL, ""),
    ],
)
def test_it_ends_as_it_would(fork: Fork, folder: Path, program: str, status: int, said: str) -> None:
    process = fork(program)
    assert process.wait(30) == status
    assert process.poll() == status
    assert (folder / "test_it_ends_as_it_would.log").read_text().endswith(said)
    process.kill()  # nobody else's process, although the number is free by now


def test_signals_reach_it(fork: Fork) -> None:
    process = fork("import signal; signal.pause()")
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0)
    process.terminate()
    assert process.wait(30) == -signal.SIGTERM


def test_a_program_has_its_words_and_an_output_for_errors(server: ForkServer, folder: Path) -> None:
    program = "import sys; print(sys.argv, __name__); sys.exit('wrong')"
    process = server.fork(["-c", program, "a", "b"], {}, folder / "said", folder / "errors")
    assert process.wait(30) == 1
    assert (folder / "said").read_text() == "['-c', 'a', 'b'] __main__\n"
    assert (folder / "errors").read_text() == "wrong\n"


def test_it_finds_the_modules_of_its_own_path(server: ForkServer, folder: Path) -> None:
    own = folder / "own"
    own.mkdir()
    (own / "only_here.py").write_text("print('found')")
    process = server.fork(["-c", "import only_here"], {"PYTHONPATH": str(own)}, folder / "found")
    assert process.wait(30) == 0
    assert (folder / "found").read_text() == "found\n"


def test_what_cannot_be_written_to_is_no_start(server: ForkServer, folder: Path) -> None:
    with pytest.raises(RuntimeError, match="cannot write"):
        server.fork(["-c", "pass"], {}, folder / "log", folder / "nowhere" / "log")
    assert server.answers()


def test_the_status_of_a_stranger_is_unknown(server: ForkServer) -> None:
    assert server.status(os.getppid()) == UNKNOWN


def test_without_a_server_nothing_is_forked(folder: Path) -> None:
    with pytest.raises(RuntimeError, match="fork-server has ended"):
        ForkServer(folder / "server.log").fork(["-m", "waits"], {}, folder / "log")


def test_what_was_forked_outlives_the_server(server: ForkServer, fork: Fork, folder: Path) -> None:
    """The last test, because it ends the server."""
    process = fork("import signal; signal.pause()")
    server.stop()
    assert process.poll() is None
    process.kill()
    assert process.wait(30) == UNKNOWN
    with pytest.raises(RuntimeError, match="fork-server has ended"):
        server.fork(["-m", "waits"], {}, folder / "log")
