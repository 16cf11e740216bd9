"""Answers to WebSocket handshakes, mutated at random from a seed: agreed as the upstream did, or refused.

A client is switched only by a 101 that another reader takes for the agreement to this very handshake, gets
what came behind it byte for byte, and no other request gets any of it.
"""

import asyncio
import contextlib
import random
from collections import Counter

from gateway.tests.answers import NONCE, Plan, cut, mutate
from gateway.tests.conftest import Wire
from gateway.tests.parts import parts
from gateway.tests.reading import SWITCHING, Reading, read_agreement, read_answer
from gateway.tests.test_malformed_answers import (
    NEVER,
    OURS,
    TOGETHER,
    Planned,
    judge,
    met,
    planned_door,
    read,
    request,
)
from gateway.tests.test_malformed_answers import ROUTES as PLAIN

SEED = 20261129
ROUTES = PLAIN.replace('"GET", "POST"', '"GET"').replace(
    'auth = "public"', 'auth = "public"\nwebsocket = true'
)
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455, section 1.3
FRAME = b"\x82\x10" + NONCE
_FIELDS = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " + ACCEPT + b"\r\n"
_AGREED = b"HTTP/1.1 101 Switching Protocols\r\n" + _FIELDS
BASES = [
    _AGREED + b"\r\n",
    _AGREED + b"\r\n" + FRAME,
    _AGREED + b"Sec-WebSocket-Protocol: chat\r\nX-Nonce: " + NONCE + b"\r\n\r\n" + FRAME * 3,
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + _AGREED + b"\r\n" + FRAME,
    _AGREED.replace(b"Upgrade\r\n", b"keep-alive, upgrade\r\n", 1) + b"\r\n" + FRAME,
    _AGREED + b"\r\n" + b"\x82\x7e\x80\x00" + NONCE * 2048,
    b"HTTP/1.1 403 Forbidden\r\nContent-Length: 16\r\n\r\n" + NONCE,
]


def handshake(prefix: bytes, nonce: bytes) -> bytes:
    return (
        b"GET %b?n=%b HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" % (prefix, nonce)
    )


def make_plan(chance: random.Random, nonce: bytes) -> Plan:
    data = chance.choice(BASES)
    mutated = chance.random() < 0.95
    if mutated:
        data = mutate(chance, data)
    data = data.replace(NONCE, nonce)
    # Only what is complete for everybody may stay open: for the rest its end is the end of the connection.
    stays = read_answer(b"GET", data, closed=False).end == "complete"
    end = chance.choice(["keep", "close"] if stays else ["close", "close", "half", "reset"])
    return Plan(b"GET", data, cut(chance, data), end, mutated, early=False)


async def rest(wire: Wire) -> bytes:
    """All that comes until the end of the connection. Raises TimeoutError where it does not end."""
    data = b""
    async with asyncio.timeout(10):
        with contextlib.suppress(ConnectionError):
            while piece := await wire.reader.read(1 << 16):
                data += piece
    return data


def judge_switched(plan: Plan, nonce: bytes, data: bytes) -> str:
    """What the client got begins with a 101. Raises AssertionError for what must not be."""
    given, got = read_agreement(plan.data), read_agreement(data)
    assert given is not None
    assert got is not None
    for name, value in ((b"upgrade", b"websocket"), (b"sec-websocket-accept", ACCEPT)):
        for fields in (given.fields, got.fields):
            assert [it for field, it in fields if field == name] == [value], name
    assert any(b"upgrade" in value.lower() for name, value in given.fields if name == b"connection")
    passed = {field for field in got.fields if field[0] not in OURS | {b"upgrade"}}
    assert passed <= given.fields
    assert not {name for name, _ in passed} & NEVER
    if got.surplus == given.surplus:
        return "switched" if plan.mutated else "as it was"
    assert plan.end == "reset"
    assert given.surplus.startswith(got.surplus)
    return "cut"


def judge_any(plan: Plan, nonce: bytes, data: bytes) -> str:
    if data.startswith(b"HTTP/1.1 %d " % SWITCHING):
        return judge_switched(plan, nonce, data)
    return judge(plan, nonce, read_answer(b"GET", data, closed=True))


async def attack(port: int, dial, planned: Planned, number: int, count: int, seed: int) -> Counter[str]:
    chance = random.Random(f"{seed}/{number}")  # noqa: S311 - not for secrets
    prefix = b"/a%d" % number
    seen: Counter[str] = Counter()
    plain = await dial(port)
    for turn in range(count):
        nonce, after = (b"%016x" % chance.getrandbits(64) for _ in range(2))
        plan = planned.plans[nonce] = make_plan(chance, nonce)
        where = (seed, number, turn, plan)
        data, got = b"", Reading("more")
        try:
            wire = await dial(port)
            await wire.send(handshake(prefix, nonce))
            data = await rest(wire)
            wire.writer.close()
            seen[judge_any(plan, nonce, data)] += 1
            await plain.send(request(b"GET", prefix, after))
            got = await read(plain, b"GET")
            assert (got.end, got.status, got.body) == ("complete", 200, after)
        except (AssertionError, TimeoutError) as error:
            raise AssertionError(where, error, data, got) from error
        del planned.plans[nonce]
    plain.writer.close()
    return seen


@parts(10)
async def test_a_mutated_answer_to_a_handshake_agrees_or_is_refused_and_harms_no_other(
    make_door, items, dial, heard, part: int
) -> None:
    """In the soak 10 times 1,200, each followed by a plain request and its good answer."""
    count = 100 if part else 10
    door, planned = await planned_door(make_door, items, ROUTES)
    attacks = [attack(door.port, dial, planned, number, count, SEED + part) for number in range(TOGETHER)]
    await met(attacks, ("switched", "refused", "as it was"), count * TOGETHER // 60, heard)
