"""Answers of upstreams, mutated at random from a seed: each is passed on, or 502, or cut.

Never a byte of another answer, and the request after it gets its own.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Iterable

from gateway.tests.answers import Plan, follow, make_plan
from gateway.tests.conftest import Peer, Wire, answer_of
from gateway.tests.parts import parts
from gateway.tests.reading import Reading, read_answer
from shared.testing import LiveApp

SEED = 20261128
TOGETHER = 12
# Each has connections of its own: bytes that come after another's request would pass for its answer.
ROUTES = """
[defaults]
methods = ["GET", "POST"]
timeout = 30.0
body_limit = 1000
""" + "".join(
    f'[[route]]\nprefix = "/a{number}"\nupstream = "a{number}"\nauth = "public"\n'
    f'[[upstream]]\nname = "a{number}"\nreplicas = ["%s"]\n'
    for number in range(TOGETHER)
)
OURS = {
    b"content-length",
    b"transfer-encoding",
    b"connection",
    b"date",
    b"server-timing",
    b"vary",
    b"x-process-time",
    b"x-request-id",
}
NEVER = {b"trailer", b"upgrade", b"access-control-allow-origin"}


class Planned:
    """An upstream that answers as planned for the nonce in the target, and else with the nonce."""

    def __init__(self) -> None:
        self.plans: dict[bytes, Plan] = {}

    async def script(self, peer: Peer) -> None:
        while True:
            head = await peer.head()
            nonce = head.split(b" ")[1].partition(b"=")[2]
            plan = self.plans.get(nonce)
            early = plan is not None and plan.early
            if not early:
                await self._read_body(peer, head)
            if plan is None or plan.attempts:
                if plan is not None:
                    assert plan.method != b"POST", "sent twice"
                    plan.attempts += 1
                await peer.send(good_answer(head.split(b" ")[0], nonce))
            else:
                plan.attempts += 1
                if not await follow(plan, peer):
                    return
            if early:
                await self._read_body(peer, head)

    async def _read_body(self, peer: Peer, head: bytes) -> None:
        async for _ in peer.body(head):
            pass


def good_answer(method: bytes, nonce: bytes) -> bytes:
    answer = answer_of(nonce)
    return answer.removesuffix(nonce) if method == b"HEAD" else answer


def request(method: bytes, prefix: bytes, nonce: bytes) -> bytes:
    body = b"hello" if method == b"POST" else b""
    return b"%b %b?n=%b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (
        method,
        prefix,
        nonce,
        len(body),
        body,
    )


async def read(wire: Wire, method: bytes) -> Reading:
    """The next answer, as far as it came. Raises TimeoutError for one that neither ends nor is cut."""
    data = b""
    while True:
        async with asyncio.timeout(10):
            try:
                piece = await wire.reader.read(1 << 16)
            except ConnectionError:
                piece = b""
        data += piece
        found = read_answer(method, data, closed=not piece)
        if found.end != "more":
            return found


def judge(plan: Plan, nonce: bytes, got: Reading) -> str:
    """What became of it. Raises AssertionError for what must not be."""
    assert got.end in {"complete", "cut"}
    assert not got.surplus
    harmed = plan.mutated or plan.end == "reset"  # h11 reads what is refused here: folded lines, for one
    if got.status == 502 and (b"content-type", b"application/problem+json") in got.fields:
        assert harmed
        assert nonce not in got.body
        return "refused"
    given = plan.read()
    if got.end == "cut":
        assert harmed
        assert given.body.startswith(got.body)
        return "cut"
    if plan.attempts > 1:
        repeated = read_answer(plan.method, good_answer(plan.method, nonce), closed=False)
        if (got.status, got.body) == (repeated.status, repeated.body):
            return "repeated"
    assert given.end == "complete"
    assert (got.status, got.body) == (given.status, given.body)
    passed = {field for field in got.fields if field[0] not in OURS}
    assert passed <= given.fields
    named = b",".join(value.lower() for name, value in given.fields if name == b"connection")
    hops = {name.strip() for name in named.split(b",")} | NEVER
    assert not {name for name, _ in passed} & hops
    return "passed" if plan.mutated else "as it was"


async def attack(port: int, dial, planned: Planned, number: int, count: int, seed: int) -> Counter[str]:
    chance = random.Random(f"{seed}/{number}")  # noqa: S311 - not for secrets
    prefix = b"/a%d" % number
    seen: Counter[str] = Counter()
    wire = await dial(port)
    for turn in range(count):
        nonce, after = (b"%016x" % chance.getrandbits(64) for _ in range(2))
        plan = planned.plans[nonce] = make_plan(chance, nonce)
        where = (seed, number, turn, plan)
        try:
            await wire.send(request(plan.method, prefix, nonce))
            got = await read(wire, plan.method)
            seen[judge(plan, nonce, got)] += 1
            async with asyncio.timeout(10):
                await plan.sent.wait()
            if got.end == "cut" or got.closes:
                wire.writer.close()
                wire = await dial(port)
            await wire.send(request(b"GET", prefix, after))
            got = await read(wire, b"GET")
            assert (got.end, got.status, got.body) == ("complete", 200, after), got
        except (AssertionError, TimeoutError) as error:
            raise AssertionError(where, error, got) from error
        del planned.plans[nonce]
    wire.writer.close()
    return seen


async def planned_door(make_door, items, routes: str) -> tuple[LiveApp, Planned]:
    """A gateway with these routes, and the upstream behind all of them."""
    planned = Planned()
    items.script = planned.script
    return await make_door(routes=routes.replace("%s", items.url), connect_timeout=20.0), planned


async def met(attacks: Iterable[Awaitable[Counter[str]]], outcomes: Iterable[str], least: int, heard) -> None:
    """All at once. Each outcome comes more than `least` times, and no unexpected error is logged."""
    seen = sum(await asyncio.gather(*attacks), Counter())
    for outcome in outcomes:
        assert seen[outcome] > least, seen
    assert {event["event"] for event in heard.errors} <= {"answer_cut_off"}


@parts(10)
async def test_a_mutated_answer_is_passed_or_refused_and_harms_no_other(
    make_door, items, dial, heard, part: int
) -> None:
    """In the soak 10 times 2,400, each followed by a good answer."""
    count = 200 if part else 20
    door, planned = await planned_door(make_door, items, ROUTES)
    attacks = [attack(door.port, dial, planned, number, count, SEED + part) for number in range(TOGETHER)]
    await met(attacks, ("passed", "refused", "as it was", "cut"), count * TOGETHER // 60, heard)
