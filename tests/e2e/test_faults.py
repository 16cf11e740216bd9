"""What happens when something dies, and that it heals by itself."""

import json
import shlex
import socket
import threading
from collections import Counter
from typing import Any

import httpx2
import pytest

from shared.testing.waiting import eventually
from tests.e2e.system import ROOT, System

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

DIAMOND = {
    "name": "slow",
    "price": "500.00",
    "features": {
        "carat": 0.5,
        "cut": "Ideal",
        "color": "G",
        "clarity": "VS1",
        "depth": 61.5,
        "table": 56,
        "x": 5.1,
        "y": 5.1,
        "z": 3.2,
    },
}


def problem(system: System, method: str, path: str, **given: Any) -> tuple[int, str]:
    """Status and code of a refusal, which is a problem document whatever broke."""
    answer = system.client.request(method, path, **given)
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    document = answer.json()
    assert document["status"] == answer.status_code
    assert document["request_id"] == answer.headers["X-Request-ID"]
    return answer.status_code, document["code"]


def test_without_redis_no_session_can_be_ended_and_all_else_goes_on(healthy: System) -> None:
    headers = healthy.headers()
    healthy.compose("kill", "redis")
    try:
        eventually(lambda: not listens(healthy))
        assert healthy.answers("/ready") == 200
        assert healthy.answers("/users/me", headers=headers) == 200
        status, _ = problem(healthy, "POST", "/auth/logout", headers=headers)
        assert status == 503
    finally:
        healthy.compose("start", "redis")
    eventually(healthy.ready)
    eventually(lambda: healthy.answers("/auth/logout", "POST", headers=headers) == 204)
    eventually(lambda: healthy.answers("/users/me", headers=headers) == 401)


def listens(system: System) -> bool:
    """Whether the gateway's worker that answers hears of ended sessions."""
    shown = system.client.get("/ready").json()["checks"]["revocations"]
    return bool(shown["ok"] and shown["info"]["listening"])


def test_without_postgres_requests_get_503_and_readiness_says_so(healthy: System) -> None:
    headers = healthy.headers()
    healthy.compose("kill", "postgres")
    try:
        eventually(lambda: {"users", "items"} <= healthy.reported())
        for path in ("/items", "/users/me"):
            status, _ = problem(healthy, "GET", path, headers=headers)
            assert status == 503
        assert healthy.answers("/health") == 200
    finally:
        healthy.compose("start", "postgres")
    eventually(lambda: healthy.answers("/items") == 200)
    eventually(lambda: healthy.answers("/users/me", headers=headers) == 200)


def test_without_the_model_server_only_appraisals_fail(healthy: System) -> None:
    headers = healthy.headers()
    item = healthy.client.post("/items", json=DIAMOND, headers=headers).json()
    appraisal = f"/items/{item['id']}/appraisal"
    healthy.compose("kill", "ml-predict")
    try:
        status, _ = problem(healthy, "POST", appraisal, headers=headers)
        assert status in {502, 503, 504}
        status, _ = problem(
            healthy, "POST", "/predict", headers=headers, json={"instances": [DIAMOND["features"]]}
        )
        assert status in {502, 503, 504}
        assert healthy.answers(f"/items/{item['id']}") == 200
        eventually(lambda: healthy.reported() == {"ml-predict"})
        assert healthy.answers("/ready") == 200
        assert healthy.answers("/users/me", headers=healthy.headers()) == 200
    finally:
        healthy.compose("start", "ml-predict")
    eventually(lambda: healthy.answers(appraisal, "POST", headers=headers) == 200)


KILL_WORKER = """
import os, pathlib, signal
children = pathlib.Path("/proc/1/task/1/children").read_text().split()
os.kill(int(children[0]), signal.SIGKILL)
print(children[0])
"""


@pytest.mark.parametrize(
    ("service", "path"), [("users", "/.well-known/jwks.json"), ("items", "/items"), ("gateway", "/health")]
)
def test_a_killed_worker_is_replaced(healthy: System, service: str, path: str) -> None:
    killed = healthy.run(service, "python", "-c", KILL_WORKER).strip()
    children = "print(open('/proc/1/task/1/children').read())"
    eventually(lambda: killed not in healthy.run(service, "python", "-c", children).split())
    eventually(lambda: healthy.answers(path) == 200)


def test_a_service_that_ends_is_started_again(healthy: System) -> None:
    before = healthy.inspect("items")["RestartCount"]
    healthy.run("items", "python", "-c", "import os, signal; os.kill(1, signal.SIGQUIT)")
    eventually(lambda: healthy.inspect("items")["RestartCount"] == before + 1)
    eventually(lambda: healthy.answers("/items") == 200)


class SlowListing:
    """A `POST /items` whose body is sent in two halves, with whatever is to happen between them."""

    def __init__(self, system: System, headers: dict[str, str]) -> None:
        url = httpx2.URL(system.gateway)
        self._body = json.dumps(DIAMOND).encode()
        self._socket = socket.create_connection((url.host, url.port), 30)
        head = (
            f"POST /items HTTP/1.1\r\nHost: {url.host}\r\nAuthorization: {headers['Authorization']}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(self._body)}\r\n"
            "Connection: close\r\n\r\n"
        )
        self._socket.sendall(head.encode() + self._body[:20])

    def finish(self) -> tuple[int, dict[str, Any]]:
        with self._socket:
            self._socket.sendall(self._body[20:])
            answer = b""
            while piece := self._socket.recv(65536):
                answer += piece
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(body)


@pytest.mark.parametrize("service", ["gateway", "items"])
def test_a_slow_request_outlives_sigterm(healthy: System, service: str) -> None:
    headers = healthy.headers()
    slow = SlowListing(healthy, headers)
    log = ("logs", "--no-log-prefix", "--tail", "50", service)
    stopping = healthy.begin("stop", service)
    try:
        eventually(lambda: "Waiting for connections to close" in healthy.compose(*log))
        status, listed = slow.finish()
        assert (status, listed["name"]) == (201, "slow")
        assert stopping.wait(60) == 0
        assert healthy.inspect(service)["State"]["ExitCode"] == 0
        assert "Application shutdown complete" in healthy.compose(*log)
    finally:
        stopping.wait(60)
        healthy.compose("start", service)
    eventually(healthy.ready)
    assert healthy.client.get(f"/items/{listed['id']}").json() == listed


def test_a_reload_leaves_the_restart_to_the_engine(healthy: System) -> None:
    """A signal that the engine sends counts as a stop: it would not start the container again."""
    reload = "docker compose exec gateway sh -c 'kill -HUP 1'"
    assert reload in (ROOT / "docs/deployment.md").read_text()
    healthy.run("gateway", *shlex.split(reload)[4:])
    healthy.run("gateway", "sh", "-c", "kill -TERM 1")  # as if it had crashed
    eventually(lambda: healthy.inspect("gateway")["RestartCount"] > 0)
    eventually(healthy.ready)


def test_no_answer_is_cut_off_while_a_service_restarts(healthy: System) -> None:
    """Each answer is whole; in the meantime it is a 502 or a 503."""
    seen: Counter[int] = Counter()
    cut: list[str] = []
    over = threading.Event()

    def ask() -> None:
        with httpx2.Client(base_url=healthy.gateway, trust_env=False, timeout=30) as client:
            while not over.is_set():
                try:
                    answer = client.get("/items", params={"limit": 5})
                    if answer.status_code != 200:
                        assert answer.headers["Content-Type"] == "application/problem+json"
                    answer.json()
                    seen[answer.status_code] += 1
                except (httpx2.TransportError, ValueError, AssertionError) as error:
                    cut.append(repr(error))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        healthy.compose("restart", "items")
        eventually(healthy.ready)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert not cut
    assert seen[200] > 0
    assert set(seen) <= {200, 502, 503}
