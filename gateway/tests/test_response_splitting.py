"""Known ways to say two things with one answer: none comes through, and the next request gets its own."""

import asyncio

import pytest

from gateway.tests.conftest import Upstream, answer_of
from shared.testing import LiveApp

OK = b"HTTP/1.1 200 OK\r\n"
END = b"\r\n\r\n"
POISON = answer_of(b"poison")
CHUNKED = OK + b"Transfer-Encoding: chunked" + END


def answer(*fields: bytes, body: bytes = b"hello", line: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"\r\n".join([line, *fields, b"", b""]) + body


REFUSED = {
    "two lengths": answer(b"Content-Length: 5", b"Content-Length: 6"),
    "the same length twice": answer(b"Content-Length: 5", b"Content-Length: 5"),
    "a list of lengths": answer(b"Content-Length: 5, 5"),
    "a length with a sign": answer(b"Content-Length: +5"),
    "a length in hexadecimal": answer(b"Content-Length: 0x5"),
    "an empty length": answer(b"Content-Length:"),
    "a length beyond 64 bits": answer(b"Content-Length: 18446744073709551621"),
    "a length and chunks": answer(
        b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0" + END + POISON
    ),
    "chunks and a length": answer(
        b"Transfer-Encoding: chunked", b"Content-Length: 5", body=b"0" + END + POISON
    ),
    "two codings": answer(b"Transfer-Encoding: gzip, chunked", body=b"0" + END),
    "chunked twice": answer(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=b"0" + END),
    "a coding that is none": answer(b"Transfer-Encoding: xchunked"),
    "identity": answer(b"Transfer-Encoding: identity"),
    "a coding after a vertical tab": answer(b"Transfer-Encoding: \x0bchunked", body=b"0" + END),
    "a coding before a tab": answer(b"Transfer-Encoding: chunked\t", body=b"0" + END),
    "a coding with a space before the colon": answer(b"Transfer-Encoding : chunked", body=b"0" + END),
    "a coding on a folded line": answer(b"X-A: b", b" Transfer-Encoding: chunked", body=b"0" + END),
    "a coding in HTTP/1.0": answer(
        b"Connection: keep-alive", b"Transfer-Encoding: chunked", body=b"0" + END, line=b"HTTP/1.0 200 OK"
    ),
    "a folded value": answer(b"X-A: b", b" c", b"Content-Length: 5"),
    "a folded value, by a tab": answer(b"X-A: b", b"\tc", b"Content-Length: 5"),
    "a NUL in a value": answer(b"X-A: b\0c", b"Content-Length: 5"),
    "an escape in a value": answer(b"X-A: b\x1bc", b"Content-Length: 5"),
    "a DEL in a value": answer(b"X-A: b\x7fc", b"Content-Length: 5"),
    "a bare CR in a value": answer(b"X-A: b\rSet-Cookie: poison=1", b"Content-Length: 5"),
    "a bare LF in a value": answer(b"X-A: b\nSet-Cookie: poison=1", b"Content-Length: 5"),
    "lines that end with LF alone": answer(b"Content-Length: 5").replace(b"\r\n", b"\n"),
    "a NUL in a name": answer(b"X\0A: b", b"Content-Length: 5"),
    "a name beyond ASCII": answer(b"X-\xc3\xa9: b", b"Content-Length: 5"),
    "a name with a space": answer(b"X A: b", b"Content-Length: 5"),
    "an empty name": answer(b": b", b"Content-Length: 5"),
    "a line without a colon": answer(b"nonsense", b"Content-Length: 5"),
    "a line before the first field": answer(b" X-A: b", b"Content-Length: 5"),
    "a chunk size with a sign": CHUNKED + b"+5\r\nhello\r\n0" + END,
    "a chunk size with 0x": CHUNKED + b"0x5\r\nhello\r\n0" + END,
    "a chunk size after a space": CHUNKED + b" 5\r\nhello\r\n0" + END,
    "a chunk size that is none": CHUNKED + b"\r\nhello\r\n0" + END,
    "a chunk size beyond 64 bits": CHUNKED + b"10000000000000005\r\nhello\r\n0" + END,
    "a chunk size that ends with LF": CHUNKED + b"5\nhello\r\n0" + END,
    "a chunk extension with a NUL": CHUNKED + b"5;a=\0\r\nhello\r\n0" + END,
    "a coding among the trailers": CHUNKED + b"5\r\nhello\r\n0\r\nTransfer-Encoding: gzip" + END,
    "a length among the trailers": CHUNKED + b"5\r\nhello\r\n0\r\nContent-Length: 3" + END,
    "a folded trailer": CHUNKED + b"5\r\nhello\r\n0\r\nX-A: b\r\n c" + END,
    "a first line that is none": b"this is no HTTP" + END,
    "another protocol": answer(b"Content-Length: 5", line=b"RTSP/1.0 200 OK"),
    "HTTP/2.0": answer(b"Content-Length: 5", line=b"HTTP/2.0 200 OK"),
    "HTTP/1.2": answer(b"Content-Length: 5", line=b"HTTP/1.2 200 OK"),
    "HTTP/0.9": b"hello",
    "HTTP/2's settings": b"\x00\x00\x00\x04\x00\x00\x00\x00\x00" * 2,
    "no status": answer(b"Content-Length: 5", line=b"HTTP/1.1 OK"),
    "a status of two digits": answer(b"Content-Length: 5", line=b"HTTP/1.1 20 OK"),
    "a status of four digits": answer(b"Content-Length: 5", line=b"HTTP/1.1 2000 OK"),
    "status 0": answer(b"Content-Length: 5", line=b"HTTP/1.1 000 OK"),
    "status 600": answer(b"Content-Length: 5", line=b"HTTP/1.1 600 OK"),
    "a first line with two spaces": answer(b"Content-Length: 5", line=b"HTTP/1.1  200 OK"),
    "an empty line before the first": b"\r\n" + answer(b"Content-Length: 5"),
    "protocols switched unasked": answer(b"Connection: upgrade", b"Upgrade: h2c", line=b"HTTP/1.1 101 Yes"),
    "two answers at once": answer(b"Content-Length: 5") + POISON,
    "two answers without a body": answer(b"Content-Length: 0", body=b"") + POISON,
    "an answer in a value": answer(b"Content-Length: 0", b"Location: /" + END + POISON),
    "an answer after the chunks": CHUNKED + b"5\r\nhello\r\n0" + END + POISON,
    "bytes after the body": answer(b"Content-Length: 4"),
    "a body with 204": answer(line=b"HTTP/1.1 204 No Content"),
    "a body with 304": answer(line=b"HTTP/1.1 304 Not Modified"),
    "chunks with 204": answer(
        b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0" + END, line=b"HTTP/1.1 204 No Content"
    ),
    "an interim answer with a body": answer(b"Content-Length: 5", line=b"HTTP/1.1 103 Early Hints") + POISON,
    "interim answers without end": answer(line=b"HTTP/1.1 102 Processing", body=b"") * 3000,
    "HTTP/2.0 after an interim answer": b"HTTP/1.1 100 Continue"
    + END
    + b"HTTP/2.0 200 OK\r\nContent-Length: 0"
    + END,
    "a head of 100 KB": answer(b"X-A: " + b"b" * 100_000, b"Content-Length: 5"),
    "a head of 20,000 fields": answer(*[b"a: b"] * 20_000, b"Content-Length: 5"),
}
ENDS_EARLY = {
    "nothing": b"",
    "half a first line": b"HTTP/1.1 2",
    "half a head": OK + b"Content-Length: 5\r\n",
    "an interim answer alone": b"HTTP/1.1 100 Continue" + END,
    "half a body": answer(b"Content-Length: 50"),
}
LATE = {
    "an answer": POISON,
    "a first line": OK,
    "a line end": b"\r\n",
    "a chunk": b"5\r\nhello\r\n",
    "a last chunk": b"0" + END,
    "an octet": b"x",
}


async def own_answer(door: LiveApp, items: Upstream, nonce: str) -> None:
    """The next request gets its own answer, on whatever connection the gateway takes."""
    response = await door.client.post(f"/items?{nonce}", content=nonce)
    assert (response.status_code, response.text) == (200, nonce)


def first_then_good(items: Upstream, first: bytes, *, closes: bool = False) -> None:
    async def script(peer) -> None:
        while True:
            request = await peer.request()
            items.requests.append(request)
            if request.body.startswith(b"n"):
                await peer.send(answer_of(request.body))
                continue
            await peer.send(first)
            if closes:
                return

    items.script = script


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("first", REFUSED.values(), ids=REFUSED)
async def test_it_is_502_and_costs_its_connection(
    door: LiveApp, items, eventually, first: bytes, method: str
) -> None:
    first_then_good(items, first)
    await own_answer(door, items, "n1")
    response = await door.client.request(method, "/items", content="first" if method == "POST" else None)
    assert (response.status_code, response.json()["code"]) == (502, "upstream_failed")
    assert "poison" not in f"{response.text}{response.headers}"
    await own_answer(door, items, "n2")
    await eventually(lambda: items.closed)
    assert (items.peers, len(items.requests)) == (2, 3), "it was on a kept connection, and asked once"


@pytest.mark.parametrize("first", ENDS_EARLY.values(), ids=ENDS_EARLY)
async def test_an_answer_that_ends_early_is_502(door: LiveApp, items, first: bytes) -> None:
    first_then_good(items, first, closes=True)
    response = await door.client.post("/items", content="first")
    assert (response.status_code, response.json()["code"]) == (502, "upstream_failed")
    await own_answer(door, items, "n1")


@pytest.mark.parametrize("late", LATE.values(), ids=LATE)
@pytest.mark.parametrize("method", ["POST", "GET", "HEAD"])
async def test_what_comes_after_an_answer_is_never_read_as_the_next(
    door: LiveApp, items, method: str, late: bytes
) -> None:
    may_follow, followed = asyncio.Event(), asyncio.Event()

    async def script(peer) -> None:
        request = await peer.request()
        await peer.send(answer_of(request.body or b"")[: -len(request.body) or None])
        await peer.send(request.body)
        if request.body.startswith(b"n"):
            return
        await may_follow.wait()
        await peer.send(late)
        followed.set()
        await peer.until_closed()

    items.script = script
    response = await door.client.request(method, "/items", content="first" if method == "POST" else None)
    assert response.status_code == 200
    may_follow.set()
    await followed.wait()
    await own_answer(door, items, "n1")
    assert items.peers == 2
