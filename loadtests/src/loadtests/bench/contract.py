"""Whether a gateway does what is measured: passes the upstream's answer on, and refuses what it must."""

import http.client
from http import HTTPStatus

from loadtests.bench.contestant import Contestant
from loadtests.bench.exceptions import BenchFailed
from loadtests.bench.identity import tampered

PATH = "/users/me"  # a GET for which our route table wants a token


def ask(port: int, token: str | None, path: str = PATH) -> tuple[int, bytes]:
    """Status and body. Raises OSError and http.client's errors when there is no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def answers(port: int, token: str | None, path: str = PATH) -> bool:
    """Whether a good request succeeds by now."""
    try:
        return ask(port, token, path)[0] == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False


def check(contestant: Contestant, port: int, token: str, body: bytes) -> None:
    """Raises BenchFailed with what is wrong: a gateway that cuts corners is not compared."""
    status, got = ask(port, token)
    if (status, got) != (HTTPStatus.OK, body):
        raise BenchFailed(f"{contestant.name}: {status} with {len(got)} bytes is not the upstream's answer")
    if not contestant.checks_tokens:
        return
    for what, wrong in (("no token", None), ("a tampered token", tampered(token))):
        status, _ = ask(port, wrong)
        if status != HTTPStatus.UNAUTHORIZED:
            raise BenchFailed(f"{contestant.name}: {what} got {status} instead of 401")
