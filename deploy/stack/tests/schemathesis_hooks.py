"""Teaches schemathesis NDJSON, and whom it asks as."""

import os
import secrets
import subprocess
import sys
from typing import Any

import httpx2
import schemathesis

LINES = "application/x-ndjson"
LEAVING = "DELETE /users/me"
PASSWORD = "correct horse battery"


@schemathesis.serializer(LINES)
def _write(_context: Any, value: Any) -> bytes:
    """Text, whose lines have a meaning of their own."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


@schemathesis.deserializer(LINES)
def _read(_context: Any, response: Any) -> str:
    return str(response.text)


class _Caller:
    """A new account for each token: what ends a session may have ended the account too.

    schemathesis asks for another token, and sends the request once more, when one is refused.
    """

    def set(self, case: Any, token: str, _context: Any) -> None:
        case.headers["Authorization"] = f"Bearer {token}"


@schemathesis.auth().skip_for(name=LEAVING)
class Administrator(_Caller):
    def get(self, _case: Any, _context: Any) -> str:
        email = _account()
        grant = [sys.executable, "-m", "stack.inside", "users", "users.admin", "grant", email]
        subprocess.run(grant, check=True, capture_output=True)  # noqa: S603 - ours
        return _token(email)


@schemathesis.auth().apply_to(name=LEAVING)
class Leaver(_Caller):
    def get(self, _case: Any, _context: Any) -> str:
        return _token(_account())


def _account() -> str:
    """Its email."""
    email = f"{secrets.token_hex(8)}@example.com"
    _post("/users", json={"email": email, "password": PASSWORD, "name": "Contract"})
    return email


def _token(email: str) -> str:
    return str(_post("/auth/token", data={"username": email, "password": PASSWORD})["access_token"])


def _post(path: str, **body: Any) -> dict[str, Any]:
    url = os.environ["CONTRACT_URL"]
    with httpx2.Client(base_url=url, trust_env=False, timeout=20) as client:
        answer = client.post(path, **body)
    answer.raise_for_status()
    return dict(answer.json())
