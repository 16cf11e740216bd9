"""What goes out as the head of a request, and what never does."""

import pytest

from gateway.wire.request_head import request_head


def test_the_host_is_the_upstreams() -> None:
    assert request_head(b"GET", b"/", b"gems:80", [], 0) == b"GET / HTTP/1.1\r\nhost: gems:80\r\n\r\n"


def test_headers_keep_their_order_and_values() -> None:
    head = request_head(b"GET", b"/a?b=c", b"h", [b"accept: */*", b"x-cut: a: b,\xe9"], 0)
    assert head == b"GET /a?b=c HTTP/1.1\r\nhost: h\r\naccept: */*\r\nx-cut: a: b,\xe9\r\n\r\n"


def test_a_body_of_known_length_says_it_and_others_are_chunked() -> None:
    head = request_head(b"POST", b"/", b"h", [], 7)
    assert (head.count(b"content-length: 7"), head.count(b"transfer-encoding")) == (1, 0)
    head = request_head(b"POST", b"/", b"h", [], None)
    assert head.endswith(b"\r\ntransfer-encoding: chunked\r\n\r\n")
    assert b"content-length" not in head


def test_no_body_says_so_only_where_one_is_expected() -> None:
    assert b"\r\ncontent-length: 0\r\n" in request_head(b"POST", b"/", b"h", [], 0)
    assert b"content-length" not in request_head(b"DELETE", b"/", b"h", [], 0)


@pytest.mark.parametrize("evil", [b"\r", b"\n", b"\0", b"\r\nx: y"])
@pytest.mark.parametrize("place", ["method", "target", "field", "host"])
def test_nothing_can_end_a_line_early(place: str, evil: bytes) -> None:
    method, target, host, fields = b"GET", b"/", b"h", [b"x-cut: oval"]
    match place:
        case "method":
            method += evil
        case "target":
            target += evil
        case "field":
            fields = [b"x-cut: ov" + evil + b"al"]
        case "host":
            host += evil
    with pytest.raises(ValueError, match=r"NUL|forward|origin form"):
        request_head(method, target, host, fields, 0)


@pytest.mark.parametrize("target", [b"", b"gems", b"/a b", b"/a\tb", b"http://other/", b"//\x7f"])
def test_a_target_is_in_origin_form(target: bytes) -> None:
    with pytest.raises(ValueError, match="origin form"):
        request_head(b"GET", target, b"h", [], 0)


@pytest.mark.parametrize("method", [b"", b"GE T", b"CONNECT", b"G\xc3"])
def test_a_method_is_a_token_and_opens_no_tunnel(method: bytes) -> None:
    with pytest.raises(ValueError, match="method"):
        request_head(method, b"/", b"h", [], 0)
