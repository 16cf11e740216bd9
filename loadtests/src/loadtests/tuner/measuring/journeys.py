"""The marketplace's journey mix for the generator: who the callers are and what they ask for."""

import contextlib
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from urllib.parse import quote_plus, urlencode

from loadtests.diamonds import load_diamonds
from loadtests.mix import USUAL
from loadtests.tuner.measuring.requests import Request
from loadtests.tuner.model import RollOutFailed

PEOPLE = 4  # who sell and ask, a token each, and as many who only log in; a password is slow to hash
SAMPLE = 60  # listings that the stack begins with
_LISTINGS = 200
_SIGNED = {"authorization": "Bearer {token}"}
_FORM = "application/x-www-form-urlencoded"

# As the locust scenarios, with two differences: nobody withdraws, which takes two requests, so that they sell
# instead; and which item is asked for follows Zipf's law.
JOURNEYS = (
    Request("/items?skip={int:0-40}&limit=20&sort=-created_at", weight=USUAL["browse"] / 2, contains="price"),
    Request("/items?limit=20&sort=price&cut=Ideal", weight=USUAL["browse"] / 2, contains="price"),
    Request("/items/{zipf:1-60}", weight=USUAL["read"], contains="price"),
    Request(
        "/items", "POST", "{listing}", weight=USUAL["sell"] + USUAL["withdraw"], status=201, headers=_SIGNED
    ),
    Request(
        "/items/{zipf:1-60}/appraisal", "POST", weight=USUAL["appraise"], contains="estimate", headers=_SIGNED
    ),
    Request(
        "/auth/token", "POST", "username={email}&password={password}", _FORM, USUAL["log_in"],
        contains="access_token",
    ),
)  # fmt: skip

Values = Mapping[str, Sequence[str]]
Send = Callable[[str, str, str], bytes]  # path, content type, body


def people(port: int, count: int = PEOPLE) -> Values:
    """Signs so many up and in, and as many up who log in later. Raises RollOutFailed.

    They are not the same people: an account keeps a few sessions, and each login would end the oldest, so
    that after a while no token were good any more.
    """
    with contextlib.closing(HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        return _people(_sender(connection), count)


def seller(port: int) -> str:
    """The token of somebody new. Raises RollOutFailed."""
    with contextlib.closing(HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        send = _sender(connection)
        return _signed_in(send, *_sign_up(send))


def _people(send: Send, count: int) -> Values:
    signed_in, others = [[_sign_up(send) for _ in range(count)] for _ in range(2)]
    return {
        "token": [_signed_in(send, *person) for person in signed_in],
        "email": [quote_plus(email) for email, _ in others],
        "password": [quote_plus(password) for _, password in others],
        "listing": [json.dumps(diamond.listing()) for diamond in load_diamonds()[:_LISTINGS]],
    }


def _sign_up(send: Send) -> tuple[str, str]:
    """Email and password."""
    email, password = f"tuner-{secrets.token_hex(6)}@example.com", secrets.token_urlsafe(16)
    account = {"email": email, "name": "A visitor under load", "password": password}
    send("/users", "application/json", json.dumps(account))
    return email, password


def _signed_in(send: Send, email: str, password: str) -> str:
    """The token."""
    form = urlencode({"username": email, "password": password})
    return str(json.loads(send("/auth/token", _FORM, form))["access_token"])


def _sender(connection: HTTPConnection) -> Send:
    def send(path: str, kind: str, body: str) -> bytes:
        try:
            connection.request("POST", path, body.encode(), {"content-type": kind})
            answer = connection.getresponse()
            said = answer.read()
        except (OSError, HTTPException) as error:
            raise RollOutFailed(f"POST {path} was not answered: {error!r}") from error
        if answer.status not in {HTTPStatus.OK, HTTPStatus.CREATED}:
            raise RollOutFailed(f"POST {path} was answered with {answer.status} {said[:200]!r}")
        return said

    return send
