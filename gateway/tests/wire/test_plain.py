"""Which answers are read without the parser, and that they are read as the parser reads them."""

import random

import pytest

from gateway.wire import plain, reader
from gateway.wire.plain import read_plain
from gateway.wire.reader import ResponseReader

HEAD = b"HTTP/1.1 200 OK\r\nDate: today\r\nX-Cut: oval; a=b\r\nContent-Length: 4\r\n"
MUTATIONS = 20_000
LENGTH_9 = (b"content-length", b"9")


def test_a_plain_answer_is_read_whole() -> None:
    headers = [(b"date", b"today"), (b"x-cut", b"oval; a=b"), (b"content-length", b"4")]
    for _ in range(2):
        assert read_plain(HEAD + b"\r\nruby") == (200, headers, 4, b"ruby")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 204 No Content\r\nA: b\r\n\r\n", (204, [(b"a", b"b")], None, b"")),
        (
            b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
            (304, [(b"content-length", b"9")], 9, b""),
        ),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", (404, [(b"content-length", b"0")], 0, b"")),
        (
            b"HTTP/1.1 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 01\r\n\r\nx",
            (200, [(b"connection", b"Keep-Alive"), (b"content-length", b"01")], 1, b"x"),
        ),
    ],
)
def test_what_is_plain(answer: bytes, expected: object) -> None:
    assert read_plain(answer) == expected


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        HEAD,
        HEAD + b"\r\n",
        HEAD + b"\r\nrub",
        HEAD + b"\r\nruby\r\n",
        HEAD + b"\r\nruby" + HEAD + b"\r\nruby",
        b"\r\n" + HEAD + b"\r\nruby",
        HEAD.replace(b"1.1", b"1.0") + b"\r\nruby",
        HEAD.replace(b"200 OK", b"200") + b"\r\nruby",
        HEAD.replace(b"200 OK", b"200 Fine") + b"\r\nruby",
        HEAD.replace(b"200 OK", b"299 OK") + b"\r\nruby",
        HEAD.replace(b"200 OK", b"100 Continue") + b"\r\nruby",
        HEAD.replace(b"\r\n", b"\n") + b"\nruby",
        HEAD + b"Content-Length: 4\r\n\r\nruby",
        HEAD + b"Content-Length: 5\r\n\r\nruby",
        HEAD + b"X-Cut: round\r\n\r\nruby",
        HEAD + b"Connection: close\r\n\r\nruby",
        HEAD + b"Connection: keep-alive, X-Cut\r\n\r\nruby",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nruby",
        HEAD + b"Upgrade: websocket\r\n\r\nruby",
        HEAD + b"Trailer: X-Sum\r\n\r\nruby",
        HEAD + b" folded: 1\r\n\r\nruby",
        HEAD + b"A : b\r\n\r\nruby",
        HEAD + b"A:b\r\n\r\nruby",
        HEAD + b"A:  b\r\n\r\nruby",
        HEAD + b"A: b \r\n\r\nruby",
        HEAD + b"A: \r\n\r\nruby",
        HEAD + b": b\r\n\r\nruby",
        HEAD + b"A_B: b\r\n\r\nruby",
        HEAD + b"A: b\tc\r\n\r\nruby",
        HEAD + b"A: b\x00\r\n\r\nruby",
        HEAD + b"A: b\nC: d\r\n\r\nruby",
        HEAD + b"A: b\rC: d\r\n\r\nruby",
        HEAD + b"A: caf\xc3\xa9\r\n\r\nruby",
        HEAD.replace(b"h: 4", b"h: +4") + b"\r\nruby",
        HEAD.replace(b"h: 4", b"h: 4,4") + b"\r\nruby",
        HEAD.replace(b"h: 4", b"h: 4 4") + b"\r\nruby",
        HEAD.replace(b"h: 4", b"h: 0000000004") + b"\r\nruby",
        HEAD.replace(b"h: 4", b"h: \xb2") + b"\r\nruby",
        b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nruby",
    ],
)
def test_anything_else_is_left_to_the_parser(answer: bytes) -> None:
    assert read_plain(answer) is None


def test_whatever_is_read_without_the_parser_is_read_as_it_would(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "read_plain", lambda _: None)
    draw = random.Random(20261128)  # noqa: S311 - a seed makes it the same each time
    pieces = [
        b"\r",
        b"\n",
        b"\r\n",
        b" ",
        b"\t",
        b":",
        b": ",
        b"0",
        b"4",
        b"5",
        b"a",
        b"\x00",
        b"\xff",
        b"HTTP/1.1 ",
    ]
    read = 0
    for _ in range(MUTATIONS):
        answer = bytearray(HEAD + b"\r\nruby")
        for _ in range(draw.randint(1, 3)):
            at = draw.randrange(len(answer))
            answer[at : at + draw.randint(0, 2)] = draw.choice([*pieces, bytes(answer[at : at + 9])])
        found = read_plain(bytes(answer))
        if found is None:
            continue
        read += 1
        parsed = ResponseReader()
        assert parsed.feed(bytes(answer)) is None, bytes(answer)
        assert (parsed.status, parsed.headers, parsed.length, parsed.take()) == found, bytes(answer)
        assert parsed.complete
        assert parsed.reusable
    assert read > MUTATIONS // 100


def test_the_parser_goes_on_where_it_was_not_asked_before() -> None:
    one = ResponseReader()
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nruby\r\n0\r\n\r\n"
    for answer in (
        HEAD + b"\r\nruby",
        chunked,
        HEAD + b"\r\nruby",
        HEAD + b"X-Cut: round\r\n\r\nruby",
        chunked,
    ):
        one.expect(head_only=False)
        assert one.feed(answer) is None
        assert (one.take(), one.complete, one.reusable) == (b"ruby", True, True)


def test_lines_are_remembered_up_to_a_number_and_not_those_that_do_not_come_again() -> None:
    known = plain._Lines()
    for number in range(3 * plain.MOST):
        assert known[b"A: %d" % number] == (b"a", b"%d" % number)
        assert known[b"X-Request-ID: %d" % number][0] == b"x-request-id"
        assert len(known) <= plain.MOST
    assert known[b"A: " + b"b" * plain.LONGEST] == (b"a", b"b" * plain.LONGEST)
    assert not any(line.startswith(b"X-R") or len(line) > plain.LONGEST for line in known)
