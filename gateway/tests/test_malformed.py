"""Requests mutated at random, from a seed: no hang, no 5xx, and only clean requests reach an upstream."""

import asyncio
import contextlib
import random
import re

from gateway.tests.conftest import Peer, Upstream, answer_of
from gateway.tests.parts import parts
from shared.testing import LiveApp

SEED = 20261125
TOGETHER = 24
PATIENCE = 0.1  # seconds for the answer of a request that may be incomplete
BASES = [
    b"GET /items/1?q=a HTTP/1.1\r\nHost: x\r\nAccept: */*\r\nX-User-Id: 7\r\nConnection: close\r\n\r\n",
    b"POST /items HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\nhello",
    b"POST /items HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"PUT /items/2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: a\r\n\r\n"
    b"3;e=1\r\nabc\r\n0\r\na: b\r\n\r\n",
    b"DELETE /items/%C3%A9 HTTP/1.1\r\nHost: x\r\nCookie: a=b\r\n\r\n"
    b"GET /items/3 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"HEAD /items HTTP/1.0\r\n\r\n",
    b"GET http://evil/items HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
]
SPLICES = [
    *(
        b"\r",
        b"\n",
        b"\r\n",
        b"\0",
        b" ",
        b"\t",
        b":",
        b";",
        b"%",
        b"/",
        b"..",
        b"\\",
        b"#",
        b"\x7f",
        b"\xff",
        b"0",
    ),
    *(
        b"\r\nContent-Length: 5",
        b"\r\nContent-Length: 0",
        b"\r\nContent-Length: +5",
        b"\r\nContent-Length: 5, 5",
    ),
    *(
        b"\r\nTransfer-Encoding: chunked",
        b"\r\nTransfer-Encoding: xchunked",
        b"\r\nTransfer-Encoding : chunked",
    ),
    *(
        b"\r\nTransfer_Encoding: chunked",
        b"\r\nTransfer-Encoding:\x0bchunked",
        b"\r\n Transfer-Encoding: chunked",
    ),
    *(b"\r\nTE: trailers", b"\r\nConnection: Host, X-User", b"\r\nExpect: 100-continue", b"\r\nX-User: root"),
    *(b"\r\nX_User: root", b"\r\nHost: y", b"\r\nX-Forwarded-For: 1.2.3.4", b"\r\nAuthorization: Bearer x"),
    *(
        b"GET /office HTTP/1.1\r\nHost: x\r\n\r\n",
        b"%2e%2e",
        b"%2f",
        b"%00",
        b"//",
        b"/./",
        b"0\r\n\r\n",
        b"ffffffffffffffff",
    ),
]
LINE = re.compile(
    rb"(GET|HEAD|POST|PUT|PATCH|DELETE) (/items|/perhaps|/impatient|/read)[^\s#\x00-\x20\x7f]* HTTP/1\.1"
)
FIELD = re.compile(rb"[!#$%&'*+.^`|~0-9a-z-]+: [^\x00-\x08\x0a-\x1f\x7f]*")
FORBIDDEN = re.compile(rb"x-user.*|x-caller.*|x-api-key|te|trailer|upgrade|connection|authorization|expect")
ENDED = re.compile(rb"HTTP/1\.1 (\d{3}) ")


def mutated(chance: random.Random) -> bytes:
    data = bytearray(chance.choice(BASES))
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(data) + 1)
        match chance.randrange(5):
            case 0:
                data[place : place + 1] = bytes([chance.randrange(256)])
            case 1:
                del data[place : place + chance.randint(1, 12)]
            case 2:
                start = chance.randrange(len(data) + 1)
                data[place:place] = data[start : start + chance.randint(1, 40)]
            case _:
                data[place:place] = chance.choice(SPLICES)
    return bytes(data) or b"\r\n"


def check_clean(head: bytes) -> None:
    """Of a request that an upstream got: one reading, and nothing that callers may not say."""
    line, *fields = head[:-4].split(b"\r\n")
    assert LINE.fullmatch(line), head
    names = [field.partition(b":")[0] for field in fields]
    for field, name in zip(fields, names, strict=True):
        assert FIELD.fullmatch(field), head
        assert not FORBIDDEN.fullmatch(name), head
    assert names.count(b"host") == 1, head
    assert names.count(b"content-length") + names.count(b"transfer-encoding") <= 1, head
    assert sum(name.startswith(b"x-forwarded-") for name in names) == 2, head


async def read_body(peer: Peer, head: bytes) -> None:
    fields = dict(field.split(b": ", 1) for field in head[:-4].split(b"\r\n")[1:])
    if b"transfer-encoding" in fields:
        while size := int(await peer.reader.readuntil(b"\r\n"), 16):
            await peer.reader.readexactly(size + 2)
        assert await peer.reader.readexactly(2) == b"\r\n"
    else:
        await peer.reader.readexactly(int(fields.get(b"content-length", b"0")))


async def strict(peer: Peer) -> None:
    """Answers with the target it was asked for."""
    while True:
        head = await peer.head()
        check_clean(head)
        await read_body(peer, head)
        if head.startswith(b"HEAD "):
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n")
        else:
            await peer.send(answer_of(head.split(b" ")[1]))


async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """All of them. A request that is incomplete gets none: its connection ends with the client's side."""
    answered = b""
    with contextlib.suppress(ConnectionError):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                answered = await reader.read(1 << 16)
        writer.write_eof()
        async with asyncio.timeout(15):
            answered += await reader.read()
    return answered


async def attack(port: int, count: int, seed: int) -> dict[int, int]:
    """How often each status was answered."""
    seen: dict[int, int] = {}
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    for number in range(count):
        data = mutated(chance)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            if chance.random() < 0.3:  # in two pieces
                cut = chance.randrange(len(data) + 1)
                writer.write(data[:cut])
                await asyncio.sleep(0)
                writer.write(data[cut:])
            else:
                writer.write(data)
            answered = await answers(reader, writer)
        except TimeoutError:
            raise AssertionError((seed, number, data, "hangs")) from None
        finally:
            writer.close()
        for status in ENDED.findall(answered):
            seen[int(status)] = seen.get(int(status), 0) + 1
            assert int(status) < 500, (seed, number, data, answered)
    return seen


@parts(10)
async def test_mutated_requests_are_refused_or_forwarded_clean(
    door: LiveApp, items: Upstream, part: int
) -> None:
    """In the soak 10 times 2,400."""
    items.script = strict
    each = 100 if part else 20
    first = SEED + part * TOGETHER
    found = await asyncio.gather(*(attack(door.port, each, first + turn) for turn in range(TOGETHER)))
    for status in (200, 400):
        assert sum(seen.get(status, 0) for seen in found) > each * TOGETHER // 40, "some are harmless"
    response = await door.client.get("/items/after")
    assert (response.status_code, response.text) == (200, "/items/after")
