"""schemathesis against a running stack: all its checks, with the exceptions of `schemathesis.toml`."""

import contextlib
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2

from shared.testing.programs import unmeasured
from stack.testing import Demo

CONFIGURATION = Path(__file__).parent / "schemathesis.toml"
PASSWORD = "correct horse battery"
# What ends the caller's own session or takes away its rights is asked by a caller of its own.
ENDING = (
    "--include-path",
    "/auth/logout",
    "--include-path-regex",
    r"^/users/me$|/sessions|^/users/\{user_id\}",
)
REST = tuple(word.replace("include", "exclude") for word in ENDING)


@contextlib.contextmanager
def administrator(demo: Demo) -> Iterator[httpx2.Client]:
    """Signed in as a new administrator."""
    account = {"email": f"{secrets.token_hex(8)}@example.com", "password": PASSWORD}
    with httpx2.Client(base_url=demo.gateway, trust_env=False, timeout=20) as client:
        assert client.post("/users", json={**account, "name": "Contract"}).status_code == 201
        grant = [sys.executable, "-m", "stack.inside", "users", "users.admin", "grant", account["email"]]
        subprocess.run(grant, env=demo.environment, check=True, capture_output=True)  # noqa: S603 - ours
        form = {"username": account["email"], "password": PASSWORD}
        token = client.post("/auth/token", data=form).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def fuzz(client: httpx2.Client, folder: Path, *options: str) -> int:
    """All checks of schemathesis: how many cases it asked. Fails with what it found."""
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "--config-file",
        str(CONFIGURATION),
        "run",
    ]
    command += [f"{client.base_url}/openapi.json", "--checks", "all", "--continue-on-failure", *options]
    command += ["--request-timeout", "30"]  # a request without an answer is named, and is no test that hangs
    command += ["--header", f"Authorization: {client.headers['Authorization']}"]
    hooks = {"PYTHONPATH": str(CONFIGURATION.parent), "SCHEMATHESIS_HOOKS": "schemathesis_hooks"}
    environment = {**unmeasured(), "NO_COLOR": "1", **hooks}
    done = subprocess.run(  # noqa: S603 - ours
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-6000:]
    assert " passed" in done.stdout
    [cases] = re.findall(r"^ *(\d[\d,]*) generated", done.stdout, re.MULTILINE)
    return int(cases.replace(",", ""))


def fuzz_everything(demo: Demo, folder: Path, *options: str) -> int:
    """How many cases were asked. Fails with what it found."""
    with administrator(demo) as admin:
        cases = fuzz(admin, folder, *REST, *options)
        assert admin.get("/users/me").status_code == 200, "it was asked with a token that is good no more"
        return cases + fuzz(admin, folder, *ENDING, *options)
