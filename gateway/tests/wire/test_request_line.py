"""Which request lines are remembered, and what of them."""

import pytest

from gateway.wire import request_line
from gateway.wire.request_line import RequestLines


@pytest.mark.parametrize(
    ("start", "method", "target", "path"),
    [
        (b"GET /", b"GET", b"/", "/"),
        (b"PATCH /items/1?a=b&c", b"PATCH", b"/items/1?a=b&c", "/items/1"),
        (b"HEAD /caf%C3%A9%2", b"HEAD", b"/caf%C3%A9%2", "/café%2"),
    ],
)
def test_a_line_says_the_same_each_time(start: bytes, method: bytes, target: bytes, path: str) -> None:
    lines = RequestLines()
    line = lines.read(start)
    assert line is not None
    assert (line.method, line.target, line.path) == (method, target, path)
    assert lines.read(bytes(bytearray(start))) is line


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"GET",
        b"GET ",
        b"GET  /",
        b"GET / ",
        b"get /",
        b"TRACE /",
        b"GET http://x/",
        b"OPTIONS *",
        b"GET /#a",
        b"GET /a b",
        b"GET /\t",
        b"GET /\xc3\xa9",
        b"GET /\x7f",
        b"\r\nGET /",
        b"GET /\r\n",
        b"GET /" + b"a" * request_line.LONGEST,
    ],
)
def test_anything_else_is_left_to_the_parser(start: bytes) -> None:
    assert RequestLines().read(start) is None


def test_the_number_that_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_line, "MOST", 2)
    lines = RequestLines()
    one, two = lines.read(b"GET /1"), lines.read(b"GET /2")
    assert lines.read(b"GET /1") is one
    lines.read(b"GET /3")
    assert lines.read(b"GET /2") is not two, "all were forgotten"
