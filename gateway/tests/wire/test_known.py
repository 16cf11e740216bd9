"""Which heads are recognised again, and that nothing else is taken for one."""

import pytest

from gateway.headers import request_fields
from gateway.wire import known
from gateway.wire.known import KnownHeads

BLOCK = b"Host: x\r\nAccept: */*\r\nX-User: 1\r\n\r\n"
HEADERS = [(b"host", b"x"), (b"accept", b"*/*"), (b"x-user", b"1")]


@pytest.fixture
def heads() -> KnownHeads:
    made = KnownHeads(request_fields)
    made.keep(b"GET /a HTTP/1.1\r\n" + BLOCK, HEADERS, dict(HEADERS))
    return made


def test_the_same_fields_are_recognised_with_another_target_and_are_clean(heads: KnownHeads) -> None:
    recognised = heads.recognise(b"DELETE /b?c=%2F HTTP/1.1\r\n" + BLOCK)
    assert recognised is not None
    line, fields, body = recognised
    assert (line.method, line.target, line.path) == (b"DELETE", b"/b?c=%2F", "/b")
    assert fields.passing == b"accept: */*\r\n"
    assert fields.headers == HEADERS
    assert body is None


def with_body(body: bytes, length: bytes, method: bytes = b"POST", name: bytes = b"Content-Length") -> bytes:
    return method + b" /a HTTP/1.1\r\nHost: x\r\n" + name + b": " + length + b"\r\nAccept: */*\r\n\r\n" + body


BODY_HEADERS = [(b"host", b"x"), (b"content-length", b"5"), (b"accept", b"*/*")]


@pytest.fixture
def bodies() -> KnownHeads:
    made = KnownHeads(request_fields)
    made.keep(with_body(b"hello", b"5"), BODY_HEADERS, dict(BODY_HEADERS))
    return made


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (with_body(b"hello", b"5"), b"hello"),
        (with_body(b"hi\r\n\r\n", b"6"), b"hi\r\n\r\n"),
        (with_body(b"", b"0", b"PUT"), b""),
        (with_body(b"x", b"01", b"PATCH", b"content-length"), b"x"),
    ],
)
def test_the_same_fields_are_recognised_with_a_body_of_another_length(
    bodies: KnownHeads, data: bytes, body: bytes
) -> None:
    recognised = bodies.recognise(data)
    assert recognised is not None
    assert recognised[1].passing == b"accept: */*\r\n"
    assert recognised[2] == body


@pytest.mark.parametrize(
    "data",
    [
        with_body(b"hell", b"5"),
        with_body(b"hello!", b"5"),
        with_body(b"hello" + with_body(b"hello", b"5"), b"5"),
        with_body(b"hello", b"5", b"GET"),
        with_body(b"hello", b"+5"),
        with_body(b"hello", b"5 "),
        with_body(b"hello", b"5, 5"),
        with_body(b"hello", b"5\r\nContent-Length: 5"),
        with_body(b"hello", b"5\r\nTransfer-Encoding: chunked"),
        with_body(b"hello", b"5\r\n folded: 1"),
        with_body(b"hello", b"5", name=b"Content-Length "),
        with_body(b"hello", b"5", name=b"X-Content-Length"),
        with_body(b"hello", b"5\nX: y"),
        b"POST /a HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\nContent-Length: 0\r\n\r\n",
        with_body(b"x" * 20_000, b"20000"),
    ],
)
def test_a_body_that_is_framed_or_cut_otherwise_is_left_to_the_parser(
    bodies: KnownHeads, data: bytes
) -> None:
    assert bodies.recognise(data) is None


def test_fields_of_a_request_without_a_body_are_not_those_of_one_with(bodies: KnownHeads) -> None:
    assert bodies.recognise(b"GET /a HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n") is None
    bodies.keep(b"GET /a HTTP/1.1\r\n" + BLOCK, HEADERS, dict(HEADERS))
    block = BLOCK.replace(b"Accept", b"Content-Length: 0\r\nAccept")
    assert bodies.recognise(b"POST /a HTTP/1.1\r\n" + block) is None


@pytest.mark.parametrize(
    "data",
    [
        b"GET /a HTTP/1.0\r\n" + BLOCK,
        b"GET  /a HTTP/1.1\r\n" + BLOCK,
        b"get /a HTTP/1.1\r\n" + BLOCK,
        b"POST /a HTTP/1.1\r\n" + BLOCK,
        b"GET /a#b HTTP/1.1\r\n" + BLOCK,
        b"GET /\xc3\xa9 HTTP/1.1\r\n" + BLOCK,
        b"GET /a\x00 HTTP/1.1\r\n" + BLOCK,
        b"GET /a\x7f HTTP/1.1\r\n" + BLOCK,
        b"GET http://x/a HTTP/1.1\r\n" + BLOCK,
        b"GET /a HTTP/1.1\n" + BLOCK,
        b"\r\nGET /a HTTP/1.1\r\n" + BLOCK,
        b"GET /a HTTP/1.1\r\n" + BLOCK[:-1],
        b"GET /a HTTP/1.1\r\n" + BLOCK + b"G",
        b"GET /a HTTP/1.1\r\n" + BLOCK.lower(),
    ],
)
def test_anything_else_is_left_to_the_parser(heads: KnownHeads, data: bytes) -> None:
    assert heads.recognise(data) is None


@pytest.mark.parametrize(
    "extra",
    [
        [(b"content-length", b"1")],
        [(b"transfer-encoding", b"chunked")],
        [(b"connection", b"close")],
        [(b"expect", b"100-continue")],
        [(b"upgrade", b"websocket")],
        [(b"host", b"y")],
        [(b"traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01")],
    ],
)
def test_what_frames_repeats_or_differs_each_time_is_not_kept(extra: list[tuple[bytes, bytes]]) -> None:
    heads = KnownHeads(request_fields)
    headers = [*HEADERS[:1], *extra]
    data = b"GET / HTTP/1.1\r\n" + b"".join(b"%b: %b\r\n" % field for field in headers) + b"\r\n"
    heads.keep(data, headers, dict(headers))
    assert heads.recognise(data) is None


def test_two_heads_in_one_piece_are_not_kept() -> None:
    heads = KnownHeads(request_fields)
    data = (b"GET / HTTP/1.1\r\n" + BLOCK) * 2
    heads.keep(data, HEADERS, dict(HEADERS))
    assert heads.recognise(data) is None


def test_the_number_that_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "MOST", 3)
    heads = KnownHeads(request_fields)
    datas = [b"GET / HTTP/1.1\r\nHost: x%d\r\n\r\n" % number for number in range(5)]
    for number, data in enumerate(datas):
        heads.keep(data, [(b"host", b"x%d" % number)], {b"host": b"x%d" % number})
    assert [heads.recognise(data) is not None for data in datas] == [False, False, True, True, True]
