"""A Compose system that runs, and how to reach into it."""

import json
import secrets
import subprocess
from pathlib import Path
from typing import Any

import httpx2

ROOT = Path(__file__).parents[2]


class System:
    def __init__(self, compose: Any, project: str, gateway: str) -> None:
        self._compose = compose
        self.project = project
        self.gateway = gateway
        self.client = httpx2.Client(base_url=gateway, trust_env=False, timeout=15)

    def compose(self, *words: str) -> str:
        """`docker compose …`. Raises CalledProcessError when it fails."""
        command = [*self._compose.compose_command_property, *words]
        return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout  # noqa: S603 - ours

    def begin(self, *words: str) -> "subprocess.Popen[bytes]":
        """`docker compose …`, not waited for."""
        command = [*self._compose.compose_command_property, *words]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - ours

    def run(self, service: str, *command: str) -> str:
        """What `command` prints in the service's container. Raises CalledProcessError when it fails."""
        return self.compose("exec", "-T", service, *command)

    def inspect(self, service: str) -> dict[str, Any]:
        identifier = self.compose("ps", "--all", "--quiet", service).strip()
        shown = subprocess.run(["docker", "inspect", identifier], check=True, capture_output=True, text=True)  # noqa: S603, S607 - the id is Docker's own
        found: dict[str, Any] = json.loads(shown.stdout)[0]
        return found

    def ready(self) -> bool:
        """The gateway and everything behind it."""
        return self.answers("/ready") == httpx2.codes.OK and not self.reported()

    def reported(self) -> set[str]:
        """What the gateway reports as not ready."""
        checks = self.client.get("/ready").json()["checks"]
        return {name for name, check in checks.items() if not check["ok"]}

    def answers(self, path: str, method: str = "GET", **given: Any) -> int:
        """The status; 0 when no answer comes."""
        try:
            return self.client.request(method, path, **given).status_code
        except httpx2.TransportError:
            return 0

    def person(self) -> dict[str, str]:
        """A new account's email and password."""
        account = {"email": f"e2e-{secrets.token_hex(6)}@example.com", "password": secrets.token_urlsafe(16)}
        answer = self.client.post("/users", json={**account, "name": "E2E"})
        assert answer.status_code == httpx2.codes.CREATED, answer.text
        return account

    def headers(self, account: dict[str, str] | None = None) -> dict[str, str]:
        """A fresh token, of a new account where none is given."""
        account = account or self.person()
        form = {"username": account["email"], "password": account["password"]}
        answer = self.client.post("/auth/token", data=form)
        assert answer.status_code == httpx2.codes.OK, answer.text
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}
