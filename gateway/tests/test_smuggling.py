"""Known ways to say two things with one request: each is refused, and no upstream hears of it."""

import pytest

from gateway.tests.conftest import Upstream
from shared.testing import LiveApp

INNER = b"GET /office HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNK = b"5\r\nhello\r\n0\r\n\r\n"


def post(*fields: bytes, body: bytes = b"", line: bytes = b"POST /items HTTP/1.1") -> bytes:
    return b"\r\n".join([line, b"Host: x", *fields, b"", b""]) + body


def get(target: bytes, *fields: bytes) -> bytes:
    return post(*fields, line=b"GET " + target + b" HTTP/1.1")


FRAMING = {
    "CL.TE": post(b"Content-Length: 6", b"Transfer-Encoding: chunked", body=b"0\r\n\r\nG"),
    "TE.CL": post(b"Transfer-Encoding: chunked", b"Content-Length: 4", body=CHUNK + INNER),
    "CL.CL, different": post(b"Content-Length: 5", b"Content-Length: 6", body=b"hello!"),
    "CL.CL, the same": post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello"),
    "CL as a list": post(b"Content-Length: 5, 5", body=b"hello"),
    "CL with a sign": post(b"Content-Length: +5", body=b"hello"),
    "CL negative": post(b"Content-Length: -5", body=b"hello"),
    "CL in hexadecimal": post(b"Content-Length: 0x5", body=b"hello"),
    "CL with an underscore": post(b"Content-Length: 1_0", body=b"helloworld"),
    "CL empty": post(b"Content-Length:", body=b"hello"),
    "CL of 20 digits": post(b"Content-Length: 18446744073709551621", body=b"hello"),
    "CL with another script's digits": post("Content-Length: \u0665".encode(), body=b"hello"),
    "space before the colon": post(b"Content-Length : 5", body=b"hello"),
    "TE of two codings": post(b"Transfer-Encoding: gzip, chunked", body=CHUNK),
    "TE, chunked twice": post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=CHUNK),
    "TE that is no coding": post(b"Transfer-Encoding: xchunked", body=CHUNK),
    "TE identity": post(b"Transfer-Encoding: identity", body=CHUNK),
    "TE after a vertical tab": post(b"Transfer-Encoding:\x0bchunked", body=CHUNK),
    "TE with a space before the colon": post(b"Transfer-Encoding : chunked", body=CHUNK),
    "TE on a folded line": post(b"X-A: b", b" Transfer-Encoding: chunked", body=CHUNK),
    "TE folded itself": post(b"Transfer-Encoding:", b" chunked", body=CHUNK),
    "TE behind a bare LF": post(b"X-A: b\nTransfer-Encoding: chunked", body=CHUNK),
    "TE behind a bare CR": post(b"X-A: b\rTransfer-Encoding: chunked", body=CHUNK),
    "a NUL in a value": post(b"X-A: b\x00c"),
    "a name that is empty": post(b": x"),
    "a name with a space": post(b"X A: b"),
    "a line without a colon": post(b"nonsense"),
    "lines that end with LF alone": post(b"X-A: b").replace(b"\r\n", b"\n"),
    "a chunk size that is no number": post(b"Transfer-Encoding: chunked", body=b"z\r\nhello\r\n0\r\n\r\n"),
    "a chunk size with a sign": post(b"Transfer-Encoding: chunked", body=b"-5\r\nhello\r\n0\r\n\r\n"),
    "a chunk size with 0x": post(b"Transfer-Encoding: chunked", body=b"0x5\r\nhello\r\n0\r\n\r\n"),
    "a chunk size beyond 64 bits": post(
        b"Transfer-Encoding: chunked", body=b"10000000000000005\r\nhello\r\n0\r\n\r\n"
    ),
    "an upgrade with a body": post(
        b"Connection: Upgrade", b"Upgrade: h2c", b"Content-Length: 5", body=b"hello"
    ),
    "HTTP/2's preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /items\r\n\r\n",
    "another version": b"GET /items HTTP/1.2\r\nHost: x\r\n\r\n",
    "CONNECT": b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
    "two targets": b"GET /items /office HTTP/1.1\r\nHost: x\r\n\r\n",
    "no Host": b"GET /items HTTP/1.1\r\n\r\n",
    "two Hosts": get(b"/items", b"Host: y"),
    "a Host that is none": b"GET /items HTTP/1.1\r\nHost: x/y\r\n\r\n",
    "a Host with a user": b"GET /items HTTP/1.1\r\nHost: x@y\r\n\r\n",
}
PATHS = {
    "dot segments": get(b"/items/../office"),
    "a dot segment at the end": get(b"/items/.."),
    "one dot": get(b"/items/./1"),
    "escaped dots": get(b"/items/%2e%2e/office"),
    "dots escaped in part": get(b"/items/.%2E/office"),
    "dots escaped twice": get(b"/items/%252e%252e/office"),
    "an escaped slash": get(b"/items%2Foffice"),
    "a backslash": get(b"/items\\..\\office"),
    "an escaped backslash": get(b"/items/%5C..%5Coffice"),
    "an empty segment": get(b"//items"),
    "a slash at the end": get(b"/items/"),
    "a path parameter": get(b"/items;a=b/../office"),
    "dots before a parameter": get(b"/items/..;/office"),
    "an escaped NUL": get(b"/items/%00"),
    "an escaped line end": get(b"/items/%0d%0aX-A:%20b"),
    "overlong UTF-8": get(b"/items/%C0%AE%C0%AE/office"),
    "an escape in lower case": get(b"/items/%c3%a9"),
    "an escape of what needs none": get(b"/%69tems"),
    "a broken escape": get(b"/items/%zz"),
    "half an escape": get(b"/items/%2"),
    "a fragment": get(b"/items#/office"),
    "absolute form with dots": get(b"http://x/items/../office"),
    "absolute form with a user": get(b"http://x@y/../office"),
    "a target without a slash": get(b"items"),
}


@pytest.mark.parametrize("request_", [*FRAMING.values(), *PATHS.values()], ids=[*FRAMING, *PATHS])
async def test_it_is_refused_and_goes_nowhere(door: LiveApp, items: Upstream, dial, request_: bytes) -> None:
    wire = await dial(door.port)
    await wire.send(request_)
    status, _, body = await wire.answer()
    assert status in {400, 404, 405, 501, 505}, body
    assert items.requests == []
