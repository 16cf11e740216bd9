"""The listings that the marketplace begins with, and when what follows an import is done."""

import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from loadtests.tuner.measuring.processes import Use
from loadtests.tuner.measuring.stock import fill, settle
from loadtests.tuner.model import RollOutFailed


@contextmanager
def _market(lost: int) -> Iterator[tuple[int, list[dict[str, str]]]]:
    """Its port, and what was listed; so many of each import are lost."""
    listed: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            said: dict[str, object] = {"access_token": "t"}
            if self.path.startswith("/items/imports/"):
                assert self.headers["authorization"] == "Bearer t"
                listed.extend(json.loads(line) for line in body.splitlines())
                said = {"created": len(listed) - lost}
            answer = json.dumps(said).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server.server_port, listed
        server.shutdown()


def test_it_lists_as_many_as_it_was_asked_for() -> None:
    with _market(lost=0) as (port, listed):
        fill(port, 700)
    assert len(listed) == 700
    assert len({one["name"] for one in listed}) > 100


def test_listings_that_are_missing_are_no_state_to_begin_with() -> None:
    with _market(lost=1) as (port, _), pytest.raises(RollOutFailed, match="of 10 listings 9 were imported"):
        fill(port, 10)


def test_it_waits_until_nothing_works_any_more() -> None:
    used = iter([Use(0.0), Use(0.8, 0.3), Use(1.0, 1.1), Use(1.02, 1.15), Use(9.0)])
    waits: list[float] = []
    settle(lambda: next(used), waits.append)
    assert len(waits) == 3


def test_it_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    moments, used = itertools.count(step=10), itertools.count()
    monkeypatch.setattr("loadtests.tuner.measuring.stock.time.monotonic", lambda: next(moments))
    settle(lambda: Use(float(next(used))), lambda _: None)
    assert next(moments) < 100
