"""What goes out as the head of a request, and what never does."""

from collections.abc import AsyncIterator

import pytest

from gateway.upstream.request_head import request_head


async def chunks() -> AsyncIterator[bytes]:
    yield b"never read here"


def test_the_host_is_the_upstreams_unless_given() -> None:
    assert request_head(b"GET", b"/", [], None, b"gems:80")[0] == b"GET / HTTP/1.1\r\nhost: gems:80\r\n\r\n"
    head, _ = request_head(b"GET", b"/", [(b"Host", b"shop.example")], None, b"gems:80")
    assert head == b"GET / HTTP/1.1\r\nhost: shop.example\r\n\r\n"


def test_headers_keep_their_order_and_values() -> None:
    head, _ = request_head(b"GET", b"/a?b=c", [(b"accept", b"*/*"), (b"X-Cut", b"a: b,\xe9")], None, b"h")
    assert head == b"GET /a?b=c HTTP/1.1\r\nhost: h\r\naccept: */*\r\nx-cut: a: b,\xe9\r\n\r\n"


@pytest.mark.parametrize("name", [b"Connection", b"keep-alive", b"TE", b"Upgrade", b"transfer-encoding"])
def test_connection_fields_are_dropped(name: bytes) -> None:
    assert request_head(b"GET", b"/", [(name, b"chunked")], None, b"h")[0].count(b"\r\n") == 3


def test_a_body_at_hand_has_its_length() -> None:
    head, length = request_head(b"PUT", b"/", [], b"ruby", b"h")
    assert b"\r\ncontent-length: 4\r\n" in head
    assert b"transfer-encoding" not in head
    assert length == 4


def test_a_streamed_body_has_the_callers_length_or_is_chunked() -> None:
    head, length = request_head(b"POST", b"/", [(b"content-length", b"7")], chunks(), b"h")
    assert (head.count(b"content-length: 7"), head.count(b"transfer-encoding"), length) == (1, 0, 7)
    head, length = request_head(b"POST", b"/", [(b"transfer-encoding", b"gzip")], chunks(), b"h")
    assert head.endswith(b"\r\ntransfer-encoding: chunked\r\n\r\n")
    assert (head.count(b"transfer-encoding"), head.count(b"content-length"), length) == (1, 0, None)


def test_no_body_says_so_only_where_one_is_expected() -> None:
    assert b"\r\ncontent-length: 0\r\n" in request_head(b"POST", b"/", [], None, b"h")[0]
    assert b"content-length" not in request_head(b"DELETE", b"/", [], None, b"h")[0]


@pytest.mark.parametrize("evil", [b"\r", b"\n", b"\0", b"\r\nx: y"])
@pytest.mark.parametrize("place", ["method", "target", "name", "value", "known value", "host", "length"])
def test_nothing_can_end_a_line_early(place: str, evil: bytes) -> None:
    method, target, headers = b"GET", b"/", [(b"x-cut", b"oval")]
    match place:
        case "method":
            method += evil
        case "target":
            target += evil
        case "name":
            headers = [(b"x-cut" + evil, b"oval")]
        case "value":
            headers = [(b"x-cut", b"ov" + evil + b"al")]
        case "known value":
            headers = [(b"accept", evil)]
        case "host":
            headers = [(b"host", b"h" + evil)]
        case "length":
            headers = [(b"content-length", b"0" + evil)]
    with pytest.raises(ValueError, match=r"NUL|forward|origin form|token|number"):
        request_head(method, target, headers, None, b"h")


@pytest.mark.parametrize("target", [b"", b"gems", b"/a b", b"/a\tb", b"http://other/", b"//\x7f"])
def test_a_target_is_in_origin_form(target: bytes) -> None:
    with pytest.raises(ValueError, match="origin form"):
        request_head(b"GET", target, [], None, b"h")


@pytest.mark.parametrize("method", [b"", b"GE T", b"CONNECT", b"G\xc3"])
def test_a_method_is_a_token_and_opens_no_tunnel(method: bytes) -> None:
    with pytest.raises(ValueError, match="method"):
        request_head(method, b"/", [], None, b"h")


@pytest.mark.parametrize("name", [b"", b"x cut", b"x-cut:", b"x\xe9"])
def test_a_name_is_a_token(name: bytes) -> None:
    with pytest.raises(ValueError, match="token"):
        request_head(b"GET", b"/", [(name, b"oval")], None, b"h")


@pytest.mark.parametrize(
    ("lengths", "body"),
    [([b"4", b"4"], b"ruby"), ([b"5"], b"ruby"), ([b"4"], None), ([b"+4"], b"ruby"), ([b"4, 4"], b"ruby")],
)
def test_a_length_is_one_number_and_true(lengths: list[bytes], body: bytes | None) -> None:
    with pytest.raises(ValueError, match="content-length"):
        request_head(b"PUT", b"/", [(b"content-length", value) for value in lengths], body, b"h")
