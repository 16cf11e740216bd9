"""Answers of an upstream, mutated at random from a seed, and how its connection goes on after them."""

import asyncio
import contextlib
import random
from dataclasses import dataclass, field

from gateway.tests.conftest import Peer, answer_of
from gateway.tests.reading import Reading, read_answer

NONCE = b"@@@@@@@@@@@@@@@@"  # stands where an exchange's own one goes, and is as long
POISON = b"poisonpoisonpois"
_OK = b"HTTP/1.1 200 OK\r\n"
_BASES = [
    _OK + b"Content-Length: 16\r\nX-Nonce: " + NONCE + b"\r\n\r\n" + NONCE,
    _OK + b"Date: x\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n" + NONCE + b"\r\n0\r\n\r\n",
    _OK
    + b"Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n10;e=1\r\n"
    + NONCE
    + b"\r\n10\r\n"
    + NONCE
    + b"\r\n0\r\nX-Sum: 1\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    + _OK
    + b"Content-Length: 16\r\n\r\n"
    + NONCE,
    _OK + b"Connection: close\r\nX-Nonce: " + NONCE + b"\r\n\r\n" + NONCE,
    b"HTTP/1.0 200 OK\r\nContent-Length: 16\r\n\r\n" + NONCE,
    b"HTTP/1.1 204 No Content\r\nX-Nonce: " + NONCE + b"\r\n\r\n",
    b'HTTP/1.1 304 Not Modified\r\nContent-Length: 16\r\nETag: "' + NONCE + b'"\r\n\r\n',
    b"HTTP/1.1 404 Not Found\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n"
    b"Set-Cookie: a=b\r\nSet-Cookie: c=d\r\n"
    b"Content-Length: 16\r\n\r\n" + NONCE,
    _OK + b"Content-Length: 32768\r\n\r\n" + NONCE * 2048,
    _OK + b"Transfer-Encoding: chunked\r\n\r\n8000\r\n" + NONCE * 2048 + b"\r\n0\r\n\r\n",
]
_SPLICES = [
    *(bytes([octet]) for octet in b"\r\n\0 \t:;,\x0b\x1b\x7f\xff0159afxX"),
    *(b"\r\n", b"\r\n\r\n", b"\r\n ", b"\r\n\t", b"0\r\n\r\n", b"5\r\nhello\r\n", b"ffffffffffffffff", b"0x"),
    *(b"\r\nContent-Length: " + value for value in (b"0", b"5", b"16", b"+16", b"16, 16", b"-1", b"0x10")),
    *(
        b"\r\nTransfer-Encoding: " + value
        for value in (b"chunked", b"gzip, chunked", b"identity", b"xchunked")
    ),
    *(
        b"\r\nTransfer-Encoding : chunked",
        b"\r\n Transfer-Encoding: chunked",
        b"\r\nTransfer_Encoding: chunked",
    ),
    *(
        b"\r\nConnection: " + value
        for value in (b"close", b"keep-alive", b"upgrade", b"content-length", b"x-nonce")
    ),
    *(
        b"\r\nUpgrade: h2c",
        b"\r\nAccess-Control-Allow-Origin: *",
        b"\r\nX-Request-ID: forged",
        b"\r\nX: a\r\n b",
    ),
    *(
        b"HTTP/1.1 ",
        b"HTTP/1.0 ",
        b"HTTP/2.0 ",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n",
    ),
    *(b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 102 Processing\r\n\r\n" * 40),
    *(answer_of(POISON), b"\r\nContent-Length: 99999999999999999999", b"\r\nX: " + b"a" * 70_000),
]


@dataclass
class Plan:
    """How one request is answered. `sent` is set once all of it is."""

    method: bytes
    data: bytes
    pieces: list[bytes]
    end: str  # keep, close, half or reset
    mutated: bool
    early: bool  # before the request's body is read
    attempts: int = 0
    sent: asyncio.Event = field(default_factory=asyncio.Event)

    def read(self) -> Reading:
        return read_answer(self.method, self.data, closed=self.end != "keep")


def make_plan(chance: random.Random, nonce: bytes) -> Plan:
    method = chance.choice([b"GET", b"GET", b"GET", b"POST", b"HEAD"])
    data = chance.choice(_BASES)
    if method == b"HEAD" and chance.random() < 0.7:
        data = data[: data.index(b"\r\n\r\n", data.rindex(b"HTTP/1.")) + 4]
    mutated = method == b"HEAD" or chance.random() < 0.95
    if mutated and chance.random() < 0.95:
        data = mutate(chance, data)
    data = data.replace(NONCE, nonce)
    end = chance.choice(["keep", "keep", "keep", "close", "reset"])
    if read_answer(method, data, closed=False).end == "more":  # only an end of the connection ends it
        end = chance.choice(["close", "half", "reset"]) if mutated else "close"
    return Plan(method, data, cut(chance, data), end, mutated, early=chance.random() < 0.2)


def mutate(chance: random.Random, base: bytes) -> bytes:
    data = bytearray(base)
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        # Where the framing is: in the head, or at the end.
        place = chance.choice(
            [chance.randrange(min(len(data), 160) + 1), max(0, len(data) - chance.randrange(40))]
        )
        match chance.randrange(7):
            case 0:
                data[place : place + 1] = bytes([chance.randrange(256)])
            case 1:
                del data[place : place + chance.randint(1, 12)]
            case 2:
                start = chance.randrange(min(len(data), 160) + 1)
                data[place:place] = data[start : start + chance.randint(1, 40)]
            case 3:
                del data[place:]  # cut short
            case 4:
                data += chance.choice([answer_of(POISON), b"\r\n", b"x", base])  # surplus
            case _:
                data[place:place] = chance.choice(_SPLICES)
    return bytes(data)


def cut(chance: random.Random, data: bytes) -> list[bytes]:
    cuts = sorted(chance.randrange(min(len(data), 300) + 1) for _ in range(chance.choice([0, 0, 1, 2, 5])))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


async def follow(plan: Plan, peer: Peer) -> bool:
    """Sends what is planned. False if the connection has ended."""
    try:
        for piece in plan.pieces:
            await peer.send(piece)
            await asyncio.sleep(0)
        match plan.end:
            case "close":
                peer.writer.close()
            case "half":
                with contextlib.suppress(OSError):  # the gateway has closed before
                    peer.writer.write_eof()
                await peer.until_closed()
            case "reset":
                peer.writer.transport.abort()
        return plan.end == "keep"
    finally:
        plan.sent.set()
