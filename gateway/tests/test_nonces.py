"""Nobody ever gets another's answer: each request carries a nonce that must come back."""

import asyncio
import random
import secrets

from gateway.tests.parts import parts
from shared.testing import LiveApp

CLIENTS = 24
SEED = 20261124


async def echo(peer) -> None:
    """Answers with what it was asked, in one of several framings, and sometimes dies instead."""
    chance = random.Random(SEED)  # noqa: S311 - not for secrets
    while True:
        request = await peer.request()
        nonce = request.target.partition(b"=")[2] + request.body
        match chance.randrange(12):
            case 0:
                peer.writer.transport.abort()
                return
            case 1:
                await peer.send(b"HTTP/1.1 200 OK\r\n\r\n" + nonce)
                return
            case 2 | 3 | 4:
                chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(nonce), nonce)
                await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunk)
            case 5:  # bytes that nobody asked for follow the answer
                head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(nonce)
                await peer.send(head + nonce)
                await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison")
            case _:
                await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(nonce) + nonce)


async def exchange(door: LiveApp, dial, count: int, seed: int) -> int:
    """How many of `count` requests on kept connections were answered with 200."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    good = 0
    wire = await dial(door.port)
    for _ in range(count):
        nonce = secrets.token_hex(8).encode()
        if chance.random() < 0.05:  # leaves in the middle of an exchange of its own
            wire.writer.write(b"GET /items?n=left HTTP/1.1\r\nHost: x\r\n\r\n")
            wire.reset()
            wire = await dial(door.port)
        if chance.random() < 0.3:
            head = b"POST /items?n= HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
            await wire.send(head % len(nonce) + nonce)
        else:
            await wire.send(b"GET /items?n=%b HTTP/1.1\r\nHost: x\r\n\r\n" % nonce)
        head = await wire.head()
        if b"transfer-encoding: chunked" in head:
            size = int(await wire.reader.readuntil(b"\r\n"), 16)
            body = await wire.reader.readexactly(size)
            assert await wire.reader.readexactly(7) == b"\r\n0\r\n\r\n"
        else:
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            body = await wire.reader.readexactly(length)
        status = int(head.split(b" ")[1])
        assert (status, body) == (200, nonce) or (status == 502 and b"upstream_failed" in body), (head, body)
        good += status == 200
    return good


@parts(20)
async def test_every_answer_is_ones_own(make_door, items, dial, part: int) -> None:
    """In the soak 20 times 50,400."""
    door = await make_door(connect_timeout=30.0)  # connections die all the time, and the machine may be busy
    items.script = echo
    each = (50_400 if part else 2_400) // CLIENTS
    first = SEED + part * CLIENTS
    good = await asyncio.gather(*(exchange(door, dial, each, first + number) for number in range(CLIENTS)))
    assert sum(good) > each * CLIENTS * 0.8
