"""A gateway that cuts corners is not compared."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest

from loadtests.bench import contract
from loadtests.bench.contestant import Contestant
from loadtests.bench.exceptions import BenchFailed
from loadtests.bench.identity import Issuer, tampered

BODY = b'{"id": 1}'
ISSUER = Issuer()
KEY = jwt.PyJWKSet.from_json(ISSUER.jwks).keys[0]


def verified(token: str) -> bool:
    try:
        jwt.decode(token, KEY, algorithms=["ES256"], audience="facet", issuer="facet")
    except jwt.PyJWTError:
        return False
    return True


@contextmanager
def gateway(lets_in: Callable[[str], bool], body: bytes = BODY) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            good = lets_in(self.headers.get("Authorization", "").removeprefix("Bearer "))
            self.send_response(200 if good else 401)
            self.end_headers()
            self.wfile.write(body if good else b"")

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def check(port: int, *, checks_tokens: bool = True) -> None:
    contestant = Contestant("it", "It", lambda *_: [], checks_tokens=checks_tokens)
    contract.check(contestant, port, ISSUER.token(1), BODY)


def test_an_honest_gateway_passes() -> None:
    with gateway(verified) as port:
        check(port)
        assert contract.answers(port, ISSUER.token(2))


def test_letting_anybody_in_is_noticed() -> None:
    with gateway(lambda _: True) as port, pytest.raises(BenchFailed, match="it: no token got 200"):
        check(port)


def test_not_looking_at_the_signature_is_noticed() -> None:
    with gateway(bool) as port, pytest.raises(BenchFailed, match="a tampered token got 200"):
        check(port)


def test_another_body_is_noticed() -> None:
    with gateway(verified, b"{}") as port, pytest.raises(BenchFailed, match="not the upstream's answer"):
        check(port)


def test_a_proxy_without_auth_is_asked_for_the_answer_only() -> None:
    with gateway(lambda _: True) as port:
        check(port, checks_tokens=False)


def test_nobody_there_is_no_answer() -> None:
    with gateway(verified) as port:
        pass
    assert not contract.answers(port, None)


def test_a_tampered_token_differs_in_its_claims_alone() -> None:
    token = ISSUER.token(7)
    head, claims, signature = tampered(token).split(".")
    assert (head, signature) == (token.split(".")[0], token.split(".")[2])
    assert jwt.decode(tampered(token), options={"verify_signature": False})["sub"] == "8"
    assert claims != token.split(".")[1]
