"""What cannot be measured is refused, in one line and with status 1."""

import os
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from loadtests.target import absence, refusal


def run(*command: str, **options: Any) -> tuple[int, str]:
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", *command], capture_output=True, text=True, timeout=30, check=False, **options
    )
    assert done.stdout == ""
    return done.returncode, done.stderr.strip()


def test_nothing_there() -> None:
    with socket.socket() as taken:  # bound and not listening: nobody else can, either
        taken.bind(("127.0.0.1", 0))
        host = f"http://127.0.0.1:{taken.getsockname()[1]}"
        status, line = run("loadtests.run", "--host", host)
    assert (status, line) == (1, f"nothing answers at {host}: Connection refused")


def test_somebody_elses_machine() -> None:
    status, line = run("loadtests.run", "--host", "http://shop.example")
    assert status == 1
    assert line == "shop.example is not this machine: load goes elsewhere only with --target-is-mine"


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "", "ftp://127.0.0.1", "http://"])
def test_no_host_at_all(host: str) -> None:
    assert "is no host" in (refusal(host, mine=True) or "")


@pytest.mark.parametrize("host", ["http://127.0.0.1:8000", "http://localhost", "http://[::1]:1"])
def test_this_machine_needs_no_flag(host: str) -> None:
    assert refusal(host, mine=False) is None


@pytest.mark.parametrize(
    "host", ["http://127.0.0.1.example.com", "http://127.0.0.1@shop.example", "http://10.0.0.1"]
)
def test_another_machine_does_not_pass_for_this_one(host: str) -> None:
    assert refusal(host, mine=False) is not None
    assert refusal(host, mine=True) is None


def test_a_system_that_is_not_ready_says_why() -> None:
    class NotReady(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(503)
            self.end_headers()
            self.wfile.write(b'{"detail": "Not ready: redis."}')

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), NotReady)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        host = f"http://127.0.0.1:{server.server_port}"
        assert absence(host) == f"{host} is not ready: 503 Not ready: redis."
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_bench_without_its_programs() -> None:
    status, line = run("loadtests.bench.gateway", "--quick", env={"PATH": "/nowhere"})
    assert status == 1
    assert line.startswith("bench-gateway: this bench needs ")
    assert "wrk" in line
    assert "\n" not in line


def test_a_bench_on_one_core() -> None:
    one = min(os.sched_getaffinity(0))
    status, line = run(
        "loadtests.bench.gateway", "--quick", preexec_fn=lambda: os.sched_setaffinity(0, {one})
    )
    assert status == 1
    assert "\n" not in line
    assert "two cores" in line or "this bench needs" in line
