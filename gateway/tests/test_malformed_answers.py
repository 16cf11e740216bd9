"""Upstream answers mutated at random, from a seed: no hang, nobody else's bytes, no poisoned connection."""

import asyncio
import random
import re
import secrets
from itertools import chain

import pytest

from gateway.tests.conftest import Peer, Upstream, answer_of
from shared.testing import LiveApp

SEED = 20261128
TOGETHER = 24
NONCE = b"N" * 18  # its place; a nonce is as long
BODY = b"Content-Length: 18\r\n\r\n" + NONCE
BASES = [
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n" + BODY,
    b"HTTP/1.1 404 Not Found\r\nVary: Origin\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n" + BODY,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n12\r\n" + NONCE + b"\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-A\r\n\r\n"
    b"9;e=1\r\n" + NONCE[:9] + b"\r\n9\r\n" + NONCE[9:] + b"\r\n0\r\nX-A: b\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n" + BODY,
    b"HTTP/1.1 204 No Content\r\nX-A: " + NONCE + b"\r\n\r\n",
    b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 18\r\n\r\n',
    b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + NONCE,
    b"HTTP/1.0 200 OK\r\n" + BODY,
    b"HTTP/1.1 200 OK\r\n" + BODY + b"HTTP/1.1 200 OK\r\n" + BODY,  # the second one is nobody's
]
SPLICES = [
    *(b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\0", b" ", b"\t", b":", b";", b"\x7f", b"\xff", b"0", b"-", b"f"),
    *(
        b"\r\nContent-Length: 18",
        b"\r\nContent-Length: 0",
        b"\r\nContent-Length: +18",
        b"\r\nContent-Length: 1, 1",
    ),
    *(b"\r\nContent-Length : 18", b"\r\nContent-Length: 99999999999999999999", b"\r\n Content-Length: 3"),
    *(
        b"\r\nTransfer-Encoding: chunked",
        b"\r\nTransfer-Encoding: gzip, chunked",
        b"\r\nTransfer-Encoding: x",
    ),
    *(b"\r\nTransfer-Encoding:\x0bchunked", b"\r\nConnection: close", b"\r\nConnection: Content-Length"),
    *(
        b"\r\nUpgrade: x\r\nConnection: upgrade",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 100 \r\n\r\n",
    ),
    *(b"0\r\n\r\n", b"ffffffffffffffff\r\n", b"\r\nX-Request-Id: a", b"\r\nX: " + b"a" * 70_000),
]
LINE = re.compile(rb"HTTP/1\.1 (\d{3}) [^\x00-\x08\x0a-\x1f\x7f]*")
FIELD = re.compile(rb"[!#$%&'*+.^`|~0-9A-Za-z_-]+: [^\x00-\x08\x0a-\x1f\x7f]*")
ISSUED = re.compile(rb"<[0-9a-f]{16}>")
BODILESS = {204, 304}
# The last one where an upstream broke off when no time was left for another connection.
OWN_ERRORS = {b"upstream_failed", b"upstream_timeout", b"upstream_unavailable"}


def mutated(chance: random.Random, nonce: bytes) -> bytes:
    data = bytearray(chance.choice(BASES))
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(data) + 1)
        match chance.randrange(5):
            case 0:
                data[place : place + 1] = bytes([chance.randrange(256)])
            case 1:
                del data[place : place + chance.randint(1, 30)]
            case 2:
                start = chance.randrange(len(data) + 1)
                data[place:place] = data[start : start + chance.randint(1, 40)]
            case _:
                data[place:place] = chance.choice(SPLICES)
    return bytes(data).replace(NONCE, nonce)


async def evil(peer: Peer) -> None:
    """Answers requests for `/impatient/SEED` badly, the others well."""
    while True:
        target = (await peer.request()).target
        nonce = target.partition(b"=")[2]
        if not target.startswith(b"/impatient"):
            await peer.send(answer_of(nonce))
            continue
        chance = random.Random(int(target.split(b"/")[2].partition(b"?")[0]))  # noqa: S311 - not for secrets
        data = mutated(chance, nonce)
        cut = chance.randrange(len(data) + 1) if chance.random() < 0.3 else len(data)
        await peer.send(data[:cut])
        if cut < len(data):
            await asyncio.sleep(0)
            await peer.send(data[cut:])
        match chance.randrange(4):
            case 0:
                return
            case 1:
                peer.writer.transport.abort()
                return


class Client:
    """Sends one request after another, and reads what comes back more strictly than any browser."""

    def __init__(self, port: int, issued: set[bytes]) -> None:
        self._port = port
        self._issued = issued
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: bytes) -> tuple[int, bytes]:
        """Status and body. Status 0 if the answer was cut."""
        nonce = b"<%b>" % secrets.token_hex(8).encode()
        self._issued.add(nonce)
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(b"GET %b?n=%b HTTP/1.1\r\nHost: x\r\n\r\n" % (path, nonce))
        try:
            async with asyncio.timeout(15):
                status, whole, body = await self._read(reader)
        except asyncio.IncompleteReadError as cut:
            self.close()
            status, whole, body = 0, cut.partial, b""
        strangers = set(ISSUED.findall(whole)) & self._issued - {nonce}
        assert not strangers, (path, whole)
        if not path.startswith(b"/impatient"):
            assert (status, body) == (200, nonce), (path, whole)
        return status, body

    async def _read(self, reader: asyncio.StreamReader) -> tuple[int, bytes, bytes]:
        head = await reader.readuntil(b"\r\n\r\n")
        line, *fields = head[:-4].split(b"\r\n")
        found = LINE.fullmatch(line)
        assert found is not None, head
        assert all(map(FIELD.fullmatch, fields)), head
        values = [(name.lower(), value) for name, _, value in (field.partition(b": ") for field in fields)]
        names = [name for name, _ in values]
        assert names.count(b"x-request-id") == 1, head
        assert names.count(b"content-length") + names.count(b"transfer-encoding") <= 1, head
        status, given = int(found[1]), dict(values)
        assert status >= 200, head
        body = b""
        if status in BODILESS:
            pass
        elif b"transfer-encoding" in given:
            assert given[b"transfer-encoding"] == b"chunked", head
            while size := int(await reader.readuntil(b"\r\n"), 16):
                body += await reader.readexactly(size)
                assert await reader.readexactly(2) == b"\r\n"
            assert await reader.readexactly(2) == b"\r\n"
        else:
            body = await reader.readexactly(int(given[b"content-length"]))
        if given.get(b"connection") == b"close":
            assert await reader.read() == b"", head
            self.close()
        return status, head + body, body

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def attack(client: Client, count: int, seed: int) -> dict[int, int]:
    """How often each status was answered. After each bad answer a good one comes on the same connections."""
    seen: dict[int, int] = {}
    for number in range(seed, seed + count):
        try:
            status, body = await client.get(b"/impatient/%d" % number)
            await client.get(b"/items")
        except TimeoutError:
            raise AssertionError((number, "hangs")) from None
        except AssertionError as error:
            raise AssertionError((number, *error.args)) from None
        seen[status] = seen.get(status, 0) + 1
        if b'"code":"' in body:
            assert body.split(b'"code":"')[1].split(b'"')[0] in OWN_ERRORS, (number, body)
    client.close()
    return seen


@pytest.mark.parametrize("count", [1_200, pytest.param(24_000, marks=pytest.mark.soak)])
async def test_mutated_answers_come_through_whole_or_not_at_all(
    make_door, items: Upstream, heard, count: int
) -> None:
    door: LiveApp = await make_door(connect_timeout=10.0)  # many connections end here, on a busy machine
    items.script = evil
    issued: set[bytes] = set()
    each = count // TOGETHER
    found = await asyncio.gather(
        *(attack(Client(door.port, issued), each, SEED + turn * each) for turn in range(TOGETHER))
    )
    total = {status: sum(seen.get(status, 0) for seen in found) for status in {*chain(*found)}}
    assert total[200] > count // 30, "some mutations are harmless"
    assert total[502] > count // 4
    assert total.keys() >= {0, 304, 504}
    assert {event["event"] for event in heard.errors} <= {"answer_cut_off"}
