"""Starts of any command: what it is given, how long it may take, and how a start that fails is told."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from loadtests.tuner.measuring import command
from loadtests.tuner.measuring.app import App
from loadtests.tuner.measuring.command import CommandTarget
from loadtests.tuner.measuring.requests import Request
from loadtests.tuner.measuring.running import listeners
from loadtests.tuner.model import Configuration, Limits, RollOutFailed, Slo

APP = App("dial", "serve {workers} {port}", [Request("/")], Slo(0.5), Limits(1))


def test_a_command_that_ends_says_its_last_words() -> None:
    target = CommandTarget(
        replace(APP, command=f"{sys.executable} -c 'exit(\"no config {{workers}} {{port}}\")'")
    )
    try:
        with pytest.raises(RollOutFailed, match="no config 2"):
            target.roll_out(Configuration.of(2))
    finally:
        target.close()


def test_each_start_begins_with_the_state_that_the_reset_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "WARM_UP", 0.2)
    monkeypatch.setattr(command, "WARM_UPS", 1)
    state, script = tmp_path / "orders", tmp_path / "shop.py"
    script.write_text(
        "import sys\nfrom pathlib import Path\nfrom gevent.pywsgi import WSGIServer\n"
        f"orders = Path({str(state)!r})\n"
        "orders.write_text((orders.read_text() if orders.exists() else '') + 'begun ')\n"
        "def app(environ, start):\n"
        "    start('200 OK', [])\n"
        "    return [orders.read_bytes()]\n"
        "WSGIServer(('127.0.0.1', int(sys.argv[1])), app, log=None).serve_forever()  # {workers}\n"
    )
    started = f"{sys.executable} {script} {{port}} {{workers}}"
    target = CommandTarget(replace(APP, command=started, reset=f"rm -f {state}"))
    try:
        for _ in range(2):
            target.roll_out(Configuration.of(1))
            assert state.read_text() == "begun "
    finally:
        target.close()


def test_a_reset_that_fails_is_no_start() -> None:
    target = CommandTarget(replace(APP, reset="ls /nowhere/at/all"))
    try:
        with pytest.raises(RollOutFailed, match=r"\[state\] reset failed with 2: .*nowhere"):
            target.roll_out(Configuration.of(1))
    finally:
        target.close()


def test_a_command_that_is_not_there_or_a_folder_that_is_not_is_named(tmp_path: Path) -> None:
    for changed, said in (
        (
            {"command": "no-such-server {workers} {port}"},
            "no-such-server in .*: No such file.* without a shell",
        ),
        ({"cwd": tmp_path / "away"}, r"\[app\] cwd .*away is no folder"),
    ):
        target = CommandTarget(replace(APP, **changed))  # type: ignore[arg-type] # of the right kind each
        with pytest.raises(RollOutFailed, match=said):
            target.roll_out(Configuration.of(1))
        target.close()


def test_braces_of_a_command_that_are_no_placeholder_stay() -> None:
    target = CommandTarget(replace(APP, command="serve {workers} --log '{\"a\": {}}' {cpu} {port}"))
    words = target._arguments(Configuration.of({"app": 1}, cpu=3))
    assert words == ["serve", "1", "--log", '{"a": {}}', "3", "0"]
    target.close()


_DAEMON = """import os, socket, sys
if os.fork():
    os._exit(0)
os.setsid()
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    connection, _ = server.accept()
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 200 OK\\r\\ncontent-length: 0\\r\\n\\r\\n")
"""


def test_one_that_leaves_the_foreground_is_refused_and_stopped(tmp_path: Path) -> None:
    (tmp_path / "daemon.py").write_text(_DAEMON)
    target = CommandTarget(
        replace(APP, command=f"{sys.executable} {tmp_path}/daemon.py {{port}} {{workers}}")
    )
    with pytest.raises(RollOutFailed, match="left the foreground"):
        target.roll_out(Configuration.of(1))
    assert listeners(target._port) == []
    target.close()


def test_how_long_a_start_may_take_is_the_applications_to_say() -> None:
    target = CommandTarget(replace(APP, command="sleep 9 {workers} {port}", start_within=0.2))
    with pytest.raises(RollOutFailed, match=r"/ was not answered at 127\.0\.0\.1:\d+ within 0\.2 s"):
        target.roll_out(Configuration.of(1))
    target.close()


def test_a_path_that_is_not_there_is_told_from_a_server_that_is_not() -> None:
    serves = f"{sys.executable} -m http.server {{port}} --bind 127.0.0.1 --directory {{workers}}"
    target = CommandTarget(replace(APP, command=serves, ready="/missing", start_within=1.5))
    with pytest.raises(RollOutFailed, match="/missing was answered with 404 instead of 200"):
        target.roll_out(Configuration.of(1))
    target.close()
