"""The embedded stack while it runs: the journey, faults, and a clean end."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from shared.testing.waiting import eventually
from stack.testing import Demo
from stack.testing.demo import port_variables

from .fuzzing import fuzz

Start = Callable[..., Demo]


@pytest.fixture(scope="module")
def demo(folder: Path, models: str) -> Iterator[Demo]:
    """A stack that has made its journey and stays up."""
    running = Demo(folder, ML_PREDICT_MODEL_REPOSITORY=models)
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


def test_listings_end_with_the_account_even_if_relay_and_consumer_are_killed_meanwhile(
    demo: Demo, client: httpx2.Client
) -> None:
    account = {"email": "leaves@example.com", "name": "Leaves", "password": "not here for long"}
    assert client.post("/users", json=account).status_code in {201, 409}
    form = {"username": account["email"], "password": account["password"]}
    token = client.post("/auth/token", data=form).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    listed = client.post("/items", headers=headers, json={"name": "left behind", "price": "1"})
    path = listed.headers["Location"]
    assert status(client, path) == 200
    for process in ("users.relay", "items.consumer"):
        os.kill(demo.process_of(process), signal.SIGKILL)
    assert client.delete("/users/me", headers=headers).status_code == 204
    eventually(lambda: status(client, path) == 404)


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


@pytest.mark.timeout(900)
def test_every_answer_is_what_the_openapi_document_says(demo: Demo, tmp_path: Path) -> None:
    fuzz(demo, tmp_path, "--phases", "examples,coverage", "--seed", "1")


def test_a_file_is_imported_and_exported_through_the_gateway_by_an_api_key(
    demo: Demo, client: httpx2.Client, headers: dict[str, str], tmp_path: Path
) -> None:
    """More than other routes take as a body."""
    wanted = {"name": "transfer", "scopes": ["read", "write"]}
    key = client.post("/users/me/api-keys", json=wanted, headers=headers).json()["key"]
    lines = b"".join(
        b'{"name": "Stone %d", "description": "%b", "price": "1"}\n' % (number, b"x" * 2000)
        for number in range(900)
    )
    (tmp_path / "in").write_bytes(lines)
    for what, file, said in (("import", "in", "900 listed, 0 wrong"), ("export", "out", "900 listings")):
        words = [sys.executable, "-m", "items.transfer", what, str(tmp_path / file), "--url", demo.gateway]
        done = subprocess.run(  # noqa: S603 - our own
            words, env={**os.environ, "FACET_API_KEY": key}, capture_output=True, text=True, check=False
        )
        assert (done.returncode, said in done.stdout) == (0, True), done.stdout + done.stderr
    assert (tmp_path / "out").read_bytes().count(b"\n") == 900


def test_conditions_hold_through_the_gateway(client: httpx2.Client, headers: dict[str, str]) -> None:
    new = client.post("/items", json={"name": "tagged", "price": "1"}, headers=headers)
    path = new.headers["Location"]
    read = client.get(path)
    tag = read.headers["ETag"]
    assert read.headers["Cache-Control"] == "public, no-cache"
    known = client.get(path, headers={"If-None-Match": tag})
    assert (known.status_code, known.content, known.headers["ETag"]) == (304, b"", tag)
    for price, expected in (("2", 200), ("3", 412)):
        given = {**headers, "If-Match": tag}
        assert client.patch(path, json={"price": price}, headers=given).status_code == expected
    assert client.get(path, headers={"If-None-Match": tag}).json()["price"] == "2.00"


def test_data_and_secrets_are_private(demo: Demo) -> None:
    for private in ("secrets", "logs"):
        assert (demo.folder / private).stat().st_mode & 0o077 == 0
    assert demo.folder.stat().st_mode & 0o066 == 0


@pytest.mark.parametrize("port", port_variables())
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
        eventually(lambda: {"users", "items"} <= not_ready(client))
        eventually(lambda: status(client, "/items", headers=headers) == 503)
        problem = client.get("/items", headers=headers)
        assert problem.headers["Content-Type"] == "application/problem+json"
        assert problem.headers["Retry-After"]
    eventually(lambda: not not_ready(client))
    eventually(lambda: status(client, "/items", headers=headers) == 200)


def not_ready(client: httpx2.Client) -> set[str]:
    """What the gateway reports as not ready."""
    checks = client.get("/ready").json()["checks"]
    return {name for name, check in checks.items() if not check["ok"]}


def test_without_the_model_server_listings_and_logins_go_on(
    demo: Demo, client: httpx2.Client, headers: dict[str, str]
) -> None:
    with unattended(demo):
        for process, command in demo.processes().items():
            if "[ml-predict]" in command:
                os.kill(process, signal.SIGKILL)
        eventually(lambda: not_ready(client) == {"ml-predict"})
        assert status(client, "/ready") == 200
        assert status(client, "/items") == 200
        assert status(client, "/users/me", headers=headers) == 200
        form = {"username": "fault@example.com", "password": "a fault on purpose"}
        assert client.post("/auth/token", data=form).status_code == 200
    eventually(lambda: not not_ready(client))


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
    killed = demo.process_of("master [items]")
    with unattended(demo):
        os.kill(killed, signal.SIGKILL)
    eventually(lambda: "items is back" in demo.output)
    assert demo.process_of("master [items]") != killed
    eventually(lambda: status(client, "/items") == 200)
    assert "items was ended by SIGKILL; starting it again" in demo.output


def test_services_outlive_the_fork_server_and_it_comes_back(demo: Demo, client: httpx2.Client) -> None:
    masters = [demo.master(package) for package in ("gateway", "users", "items", "ml_predict")]
    os.kill(demo.process_of("fork_server.py"), signal.SIGKILL)
    demo.says("fork-server is back")
    assert masters == [
        demo.process_of(f"master [{name}]") for name in ("gateway", "users", "items", "ml-predict")
    ]
    os.kill(masters[0], signal.SIGKILL)
    demo.says("gateway is back")
    assert status(client, "/items") == 200


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
