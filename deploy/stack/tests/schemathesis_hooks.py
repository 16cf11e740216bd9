"""Teaches schemathesis NDJSON, and whom it asks as."""

import os
import secrets
from typing import Any

import httpx2
import schemathesis

LINES = "application/x-ndjson"
LEAVING = "DELETE /users/me"


@schemathesis.serializer(LINES)
def _write(_context: Any, value: Any) -> bytes:
    """Text, whose lines have a meaning of their own."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


@schemathesis.deserializer(LINES)
def _read(_context: Any, response: Any) -> str:
    return str(response.text)


class _Caller:
    """schemathesis asks for another token, and asks once more, when one is refused."""

    def set(self, case: Any, token: str, _context: Any) -> None:
        case.headers["Authorization"] = f"Bearer {token}"


@schemathesis.auth().skip_for(name=LEAVING)
class Administrator(_Caller):
    """Signs in again after what ends a session."""

    def get(self, _case: Any, _context: Any) -> str:
        return _token(os.environ["CONTRACT_EMAIL"])


@schemathesis.auth().apply_to(name=LEAVING)
class Leaver(_Caller):
    """A new account each time: the one before is deleted."""

    def get(self, _case: Any, _context: Any) -> str:
        email = f"{secrets.token_hex(8)}@example.com"
        account = {"email": email, "password": os.environ["CONTRACT_PASSWORD"], "name": "Leaver"}
        _post("/users", json=account)
        return _token(email)


def _token(email: str) -> str:
    form = {"username": email, "password": os.environ["CONTRACT_PASSWORD"]}
    return str(_post("/auth/token", data=form)["access_token"])


def _post(path: str, **body: Any) -> dict[str, Any]:
    url = os.environ["CONTRACT_URL"]
    with httpx2.Client(base_url=url, trust_env=False, timeout=20) as client:
        answer = client.post(path, **body)
    answer.raise_for_status()
    return dict(answer.json())
