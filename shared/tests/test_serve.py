"""A service under real gunicorn: it starts or says why not, stops gracefully, reloads, survives a crash."""

import contextlib
import gc
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
from gunicorn.config import Config

import shared.master
from shared.embedded.child import Process
from shared.master import Log, Master, Server, gunicorn_options
from shared.serve import check_ports
from shared.settings import ServiceSettings
from shared.testing import NO_TLS
from shared.testing.programs import begin
from shared.worker import Worker

PROGRAM = "from shared.serve import serve; serve('sample_service:create_app', 'sample_service:{}')"
WAIT = 20.0


class Service:
    """`sample_service` under gunicorn, its settings in the environment, its secrets and marks in `folder`."""

    def __init__(self, folder: Path, settings_class: str = "SampleSettings", **settings: Any) -> None:
        self.folder = folder
        self.port, self.metrics_port = free_port(), free_port()
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.secrets = folder / "secrets"
        self.secrets.mkdir()
        given = {
            "port": self.port,
            "metrics_port": self.metrics_port,
            "workers": 1,
            "folder": folder,
            "secrets_dir": self.secrets,
            "graceful_timeout": 6,
            **settings,
        }
        self.log = folder / "log"
        program = PROGRAM.format(settings_class)
        environment = {
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parent),
            "TMPDIR": str(self.temporary),
            **{f"SAMPLE_{name.upper()}": str(value) for name, value in given.items() if value is not None},
        }
        self.process = begin("-c", program, environment=environment, outputs=[self.log])

    def get(self, path: str, port: int = 0) -> httpx2.Response:
        """On a connection of its own, so that any worker may answer."""
        url = f"http://127.0.0.1:{port or self.port}{path}"
        headers = {"Connection": "close"}
        return httpx2.get(url, trust_env=False, timeout=WAIT, headers=headers, verify=NO_TLS)

    def text(self) -> str:
        return self.log.read_text()

    def lines(self) -> list[dict[str, Any]]:
        """The log, each line of which must be JSON."""
        return [json.loads(line) for line in self.text().splitlines()]

    def marks(self, name: str) -> set[int]:
        return {int(path.name.rpartition("-")[2]) for path in self.folder.glob(f"{name}-*")}

    def pids(self) -> set[int]:
        """Of the workers that answer now."""
        return {self.get("/pid").json() for _ in range(8)}

    def answers(self) -> bool:
        assert self.process.poll() is None, self.text()
        try:
            return self.get("/health").status_code == 200
        except httpx2.TransportError:
            return False

    def ended(self) -> int:
        return self.process.wait(WAIT)

    def metric(self, name: str) -> float:
        text = self.get("/metrics", self.metrics_port).text
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name))


def free_port() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])


def until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + WAIT
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"not within {WAIT} s"
        time.sleep(0.02)
    return answer


@pytest.fixture
def start() -> Iterator[Callable[..., Service]]:
    with contextlib.ExitStack() as stack:

        def run(*arguments: str, answers: bool = True, **settings: Any) -> Service:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="facet-test-"))
            service = Service(Path(folder), *arguments, **settings)
            stack.callback(end, service.process)
            if answers:
                until(service.answers)
            return service

        yield run


def end(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture
def background() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


def test_each_line_of_the_log_is_json_whoever_writes_it(start: Callable[..., Service]) -> None:
    service = start()
    service.get("/broken")
    service.process.terminate()
    assert service.ended() == 0
    writers = {line.get("logger") for line in service.lines()}
    assert {"gunicorn.error", "uvicorn.error", None} <= writers
    assert {line["service"] for line in service.lines()} == {"sample"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_stop_lets_requests_finish_and_the_lifespan_end_and_leaves_no_metrics_folder(
    start: Callable[..., Service], background: ThreadPoolExecutor, number: signal.Signals
) -> None:
    service = start()
    assert list(service.temporary.glob("facet-metrics-*"))
    slow = background.submit(service.get, "/slow")
    (worker,) = until(lambda: service.marks("waiting"))
    service.process.send_signal(number)
    until(lambda: refused(service.port))
    (service.folder / "release").touch()
    assert slow.result().json() == "done"
    assert service.ended() == 0
    assert service.marks("ended") == {worker}
    assert "SIGKILL" not in service.text()
    assert not list(service.temporary.iterdir())


def refused(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) != 0


def test_a_request_that_never_ends_does_not_keep_the_lifespan_from_ending(
    start: Callable[..., Service], background: ThreadPoolExecutor
) -> None:
    service = start(graceful_timeout=4)
    background.submit(service.get, "/slow")
    (worker,) = until(lambda: service.marks("waiting"))
    service.process.terminate()
    assert service.ended() == 0
    assert service.marks("ended") == {worker}
    assert "SIGKILL" not in service.text()
    aborted = [line for line in service.lines() if line["event"] == "request" and line["path"] == "/slow"]
    assert [line["status"] for line in aborted] == ["aborted"]


def test_a_reload_with_good_settings_replaces_the_workers(start: Callable[..., Service]) -> None:
    service = start()
    before = service.pids()
    (service.secrets / "sample_greeting").write_text("welcome")
    service.process.send_signal(signal.SIGHUP)
    until(lambda: service.get("/greeting").json() == "welcome" and not service.pids() & before)
    until(lambda: service.marks("ended") == before)
    service.process.terminate()
    assert service.ended() == 0


def test_a_reload_with_bad_settings_changes_no_setting(start: Callable[..., Service]) -> None:
    service = start()
    (service.secrets / "sample_greeting").write_text("welcome")
    (service.secrets / "sample_body_limit").write_text("hush")
    service.process.send_signal(signal.SIGHUP)
    (refusal,) = until(lambda: [line for line in whole_lines(service) if line["event"] == "reload_refused"])
    assert refusal["reason"].startswith("wrong settings: SAMPLE_BODY_LIMIT: ")
    assert "hush" not in service.text()
    until(service.answers)
    assert service.get("/greeting").json() == "hello"
    service.process.terminate()
    assert service.ended() == 0


def whole_lines(service: Service) -> list[dict[str, Any]]:
    text, newline, _ = service.text().rpartition("\n")
    return [json.loads(line) for line in (text + newline).splitlines()]


def test_a_crashed_worker_is_replaced(start: Callable[..., Service]) -> None:
    service = start(workers=2)
    before = until(lambda: pids if len(pids := service.pids()) == 2 else None)
    with pytest.raises(httpx2.TransportError):
        service.get("/crash")
    after = until(lambda: pids if len(pids := service.pids()) == 2 and pids != before else None)
    assert len(after & before) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the lost worker's file
def test_a_fork_that_fails_ends_nothing_and_is_tried_again(
    sample_settings: Callable[..., ServiceSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = sample_settings()
    master = Master(Server(lambda _: None, settings, object))
    master.pid, master.LISTENERS = os.getpid(), []
    forks: list[int] = []

    def fork() -> int:
        forks.append(len(forks))
        if forks == [0]:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return 2**22 + 1  # no process has this id

    monkeypatch.setattr(os, "fork", fork)
    master.num_workers = 1
    master.spawn_workers()
    assert not master.WORKERS
    master.spawn_workers()
    (worker,) = master.WORKERS.values()
    assert worker.pid == 2**22 + 1
    worker.tmp.close()
    gc.collect()


def test_a_reload_for_which_there_are_no_threads_is_refused(
    sample_settings: Callable[..., ServiceSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(*_: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(shared.master, "check_database", check)
    assert not Server(lambda _: None, sample_settings(), object).read_settings()


def test_metrics_of_all_workers_add_up_and_a_dead_workers_gauge_goes(
    start: Callable[..., Service], background: ThreadPoolExecutor
) -> None:
    service = start(workers=2)
    until(lambda: len(service.pids()) == 2)
    name = 'http_requests_total{method="GET",route="/greeting",status="200"}'
    for _ in range(30):
        service.get("/greeting")
    until(lambda: {service.metric(name) for _ in range(8)} == {30.0})  # workers write theirs a moment later
    stuck = background.submit(service.get, "/slow")
    (worker,) = until(lambda: service.marks("waiting"))
    until(lambda: service.metric("http_requests_in_flight") == 1)
    os.kill(worker, signal.SIGKILL)
    with pytest.raises(httpx2.TransportError):
        stuck.result()
    until(lambda: service.metric("http_requests_in_flight") == 0)
    assert service.metric(name) == 30.0


def test_metrics_are_on_their_own_port_and_alone_there(start: Callable[..., Service]) -> None:
    service = start()
    assert service.get("/metrics").status_code == 404
    assert service.get("/metrics", service.metrics_port).status_code == 200
    assert service.get("/greeting", service.metrics_port).status_code == 404
    service.process.terminate()
    assert service.ended() == 0


def test_wrong_settings_are_one_line_and_no_start(start: Callable[..., Service]) -> None:
    service = start(answers=False, body_limit="hush")
    assert service.ended() == 1
    assert re.fullmatch(r"wrong settings: SAMPLE_BODY_LIMIT: [^\n]+\n", service.text())
    assert "hush" not in service.text()
    assert not list(service.temporary.iterdir())


def test_a_port_in_use_is_one_line_and_no_start(start: Callable[..., Service]) -> None:
    with taken_port() as port:
        service = start(answers=False, metrics_port=port)
        assert service.ended() == 1
    assert service.text() == f"cannot listen on 127.0.0.1:{port}: Address already in use\n"


@contextlib.contextmanager
def taken_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def test_ports_that_cannot_be_had_are_one_line(sample_settings: Callable[..., ServiceSettings]) -> None:
    """What a start asks, asked here: a process for each would take a second."""

    def refusal(**given: Any) -> str:
        with pytest.raises(SystemExit) as refused:
            check_ports(sample_settings(**given))
        return str(refused.value)

    with taken_port() as port:
        in_use = f"cannot listen on 127.0.0.1:{port}: Address already in use"
        assert refusal(port=port) == in_use
        assert refusal(metrics_port=port) == in_use
    assert refusal(port=port, metrics_port=port) == in_use
    elsewhere = f"cannot listen on 192.0.2.1:{port}: Cannot assign requested address"
    assert refusal(host="192.0.2.1", port=port) == elsewhere


def test_more_connections_than_the_database_allows_is_one_line_and_no_start(
    start: Callable[..., Service], make_database: Callable[..., dict[str, Any]]
) -> None:
    given = make_database("sample")
    service = start("WithDatabase", answers=False, **given, workers=9)
    assert service.ended() == 1
    assert service.text().startswith("9 workers x 5 connections = 45, but role sample may open 40: ")
    assert service.text().count("\n") == 1


def test_a_database_that_is_away_is_a_warning(start: Callable[..., Service]) -> None:
    service = start(
        "WithDatabase", database_url="postgresql+asyncpg://x@/x?host=/nowhere", database_password="x"
    )
    assert "capacity_not_checked" in {line["event"] for line in whole_lines(service)}


def test_a_lifespan_that_fails_ends_the_service(start: Callable[..., Service]) -> None:
    service = start(answers=False, start_fails=True)
    assert service.ended() == 3
    assert "no model" in service.text()
    assert all(json.loads(line) for line in service.text().splitlines())


def test_an_application_that_came_too_early_is_a_mistake(start: Callable[..., Service]) -> None:
    """prometheus_client would count in each worker alone, and `/metrics` would be empty."""
    program = "import sample_service; " + PROGRAM.format("SampleSettings")
    done = subprocess.run(  # noqa: S603 - the command is ours
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
        check=False,
        timeout=WAIT,
    )
    assert done.returncode == 1
    assert b"imported before serve()" in done.stderr


def test_uvicorns_patience_ends_before_gunicorns(sample_settings: Callable[..., ServiceSettings]) -> None:
    for given, patience in ((25, 22), (4, 1), (2, 1)):
        config = Config()
        for name, value in gunicorn_options(sample_settings(graceful_timeout=given)).items():
            config.set(name, value)
        worker = Worker(1, os.getpid(), [], None, 30, config, Log(config))
        assert worker.config.timeout_graceful_shutdown == patience < config.graceful_timeout
        worker.tmp.close()


def test_an_ipv6_host_is_written_in_brackets(sample_settings: Callable[..., ServiceSettings]) -> None:
    options = gunicorn_options(sample_settings(host="::1", port=8009, metrics_port=9009))
    assert options["bind"] == ["[::1]:8009", "[::1]:9009"]
    assert gunicorn_options(sample_settings(port=8009))["bind"] == ["127.0.0.1:8009"]
