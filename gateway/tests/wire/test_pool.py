"""Which connection a request gets, how many there are, and that none is lost."""

import asyncio
import contextlib
import gc
import socket

import pytest

from gateway.upstreams import Upstream
from gateway.wire.exceptions import UpstreamTimeout, UpstreamUnreachable
from gateway.wire.pool import Pool
from gateway.wire.ticket import Ticket

pytestmark = pytest.mark.asyncio(loop_scope="function")

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nruby"


class Gate:
    """A script that answers each request only when told; requests name themselves by their target."""

    def __init__(self) -> None:
        self.arrived: asyncio.Queue[bytes] = asyncio.Queue()
        self.served: list[tuple[bytes, int]] = []
        self._open: dict[bytes, asyncio.Event] = {}

    def open(self, target: bytes) -> None:
        self._open.setdefault(target, asyncio.Event()).set()

    async def script(self, peer) -> None:
        while True:
            head, _ = await peer.request()
            target = head.split(b" ")[1]
            self.served.append((target, peer.number))
            self.arrived.put_nowait(target)
            await self._open.setdefault(target, asyncio.Event()).wait()
            await peer.send(ANSWER)


async def test_the_connection_used_last_is_used_next(start_upstream, make_pool, ask) -> None:
    gate = Gate()
    pool = make_pool(await start_upstream(gate.script))
    first = asyncio.create_task(ask(pool, target=b"/first"))
    await gate.arrived.get()
    second = asyncio.create_task(ask(pool, target=b"/second"))
    await gate.arrived.get()
    for target, task in [(b"/second", second), (b"/first", first)]:
        gate.open(target)
        await task
    assert pool.stats == (2, 2, 0, 0)
    gate.open(b"/third")
    await ask(pool, target=b"/third")
    assert gate.served[-1] == (b"/third", 0)


async def test_an_idle_connection_expires(start_upstream, make_pool, ask, answering) -> None:
    upstream = await start_upstream(answering(ANSWER))
    pool = make_pool(upstream, idle_timeout=0.05)
    await ask(pool)
    assert pool.stats == (1, 1, 0, 0)
    await upstream.peers[0].ended.wait()
    assert pool.stats == (0, 0, 0, 0)
    await ask(pool)
    assert len(upstream.peers) == 2


async def test_a_busy_connection_does_not_expire(start_upstream, make_pool, ask) -> None:
    gate = Gate()
    pool = make_pool(await start_upstream(gate.script), idle_timeout=0.05)
    gate.open(b"/warm")
    await ask(pool, target=b"/warm")
    busy = asyncio.create_task(ask(pool, target=b"/busy"))
    await gate.arrived.get()
    await gate.arrived.get()
    # Another pool's connection expires meanwhile, so the time has passed.
    other = await start_upstream(gate.script)
    await ask(make_pool(other, idle_timeout=0.1), target=b"/warm")
    await other.peers[0].ended.wait()
    gate.open(b"/busy")
    assert (await busy).complete_body == b"ruby"


async def test_requests_above_the_limit_wait_their_turn(start_upstream, make_pool, ask) -> None:
    gate = Gate()
    upstream = await start_upstream(gate.script)
    pool = make_pool(upstream, max_connections=1, connect_timeout=10.0)
    targets = [b"/0", b"/1", b"/2", b"/3"]
    asked = [asyncio.create_task(ask(pool, target=target)) for target in targets]
    for waiting, target in zip([3, 2, 1, 0], targets, strict=True):
        assert await gate.arrived.get() == target
        assert pool.stats == (1, 0, 1, waiting)
        gate.open(target)
    await asyncio.gather(*asked)
    assert gate.served == [(target, 0) for target in targets]


async def test_the_wait_for_a_connection_is_bounded(start_upstream, make_pool, ask) -> None:
    gate = Gate()
    pool = make_pool(await start_upstream(gate.script), max_connections=1, connect_timeout=0.05)
    busy = asyncio.create_task(ask(pool, target=b"/busy"))
    await gate.arrived.get()
    with pytest.raises(UpstreamUnreachable):
        await ask(pool)
    assert pool.stats == (1, 0, 1, 0)
    gate.open(b"/busy")
    await busy
    assert [target for target, _ in gate.served] == [b"/busy"]


async def queued(start_upstream, make_pool, ask) -> tuple[Gate, Pool, asyncio.Task, list[asyncio.Task]]:
    """A pool of one connection: the request that has it, and three that wait for it."""
    gate = Gate()
    pool = make_pool(await start_upstream(gate.script), max_connections=1, connect_timeout=10.0)
    busy = asyncio.create_task(ask(pool, target=b"/busy"))
    await gate.arrived.get()
    waiters = [asyncio.create_task(ask(pool, target=b"/%d" % number)) for number in range(3)]
    await asyncio.sleep(0)
    return gate, pool, busy, waiters


async def test_a_cancelled_waiter_is_passed_over(start_upstream, make_pool, ask) -> None:
    gate, pool, busy, waiters = await queued(start_upstream, make_pool, ask)
    assert pool.stats.waiting == 3
    waiters[0].cancel()
    waiters[1].cancel()
    gate.open(b"/busy")
    gate.open(b"/2")
    await busy
    assert (await waiters[2]).complete_body == b"ruby"
    assert pool.stats == (1, 1, 0, 0)


async def test_a_cancelled_waiter_keeps_no_place_in_the_queue(start_upstream, make_pool, ask) -> None:
    """Else clients that come and go would fill the memory for as long as all connections are in use."""
    gate, _, busy, waiters = await queued(start_upstream, make_pool, ask)
    assert len(tickets()) == 3
    waiters[1].cancel()
    await asyncio.wait([waiters[1]])
    assert len(tickets()) == 2
    for target in (b"/busy", b"/0", b"/2"):
        gate.open(target)
    await asyncio.gather(busy, waiters[0], waiters[2])
    assert [target for target, _ in gate.served] == [b"/busy", b"/0", b"/2"]
    assert tickets() == []


def tickets() -> list[Ticket]:
    gc.collect()
    return [it for it in gc.get_objects() if isinstance(it, Ticket)]


async def test_a_waiter_cancelled_as_it_is_served_passes_the_connection_on(
    start_upstream, make_pool, ask
) -> None:
    gate = Gate()
    pool = make_pool(await start_upstream(gate.script), max_connections=1, connect_timeout=10.0)
    waiters = []

    async def cancel_when_served() -> None:
        await ask(pool, target=b"/busy")
        waiters[0].cancel()  # the connection was given to it in this very turn of the loop

    busy = asyncio.create_task(cancel_when_served())
    await gate.arrived.get()
    waiters += [asyncio.create_task(ask(pool, target=b"/%d" % number)) for number in range(2)]
    await asyncio.sleep(0)
    gate.open(b"/busy")
    gate.open(b"/1")
    await busy
    assert (await waiters[1]).complete_body == b"ruby"
    assert waiters[0].cancelled()
    assert pool.stats == (1, 1, 0, 0)


async def test_a_waiter_gets_the_slot_of_a_connection_that_broke(start_upstream, make_pool, ask) -> None:
    gate = Gate()
    pool = make_pool(await start_upstream(gate.script), max_connections=1, connect_timeout=10.0)
    busy = asyncio.create_task(ask(pool, target=b"/busy"))
    await gate.arrived.get()
    waiter = asyncio.create_task(ask(pool, target=b"/next"))
    await asyncio.sleep(0)
    busy.cancel()
    gate.open(b"/next")
    assert (await waiter).complete_body == b"ruby"
    assert gate.served == [(b"/busy", 0), (b"/next", 1)]


async def test_a_refused_connection_leaves_the_pool_ready_for_a_restart(
    start_upstream, make_pool, ask, answering
) -> None:
    upstream = await start_upstream(answering(ANSWER))
    pool = make_pool(upstream, max_connections=1)
    await ask(pool)
    await upstream.stop()
    for _ in range(3):
        with pytest.raises(UpstreamUnreachable):
            await ask(pool)
        assert pool.stats == (0, 0, 0, 0)
    await upstream.start()
    assert (await ask(pool)).complete_body == b"ruby"


async def test_an_unknown_host_is_unreachable(make_pool, ask) -> None:
    pool = make_pool("http://no-such-host.invalid:80", connect_timeout=10.0)
    with pytest.raises(UpstreamUnreachable):
        await ask(pool)


async def test_a_connect_without_answer_times_out(make_pool, ask) -> None:
    with contextlib.ExitStack() as sockets:
        listener = sockets.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):  # once its queue is full the kernel leaves the next SYN unanswered
            client = sockets.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        pool = make_pool(f"http://127.0.0.1:{listener.getsockname()[1]}", connect_timeout=0.05)
        with pytest.raises(UpstreamUnreachable, match="connect timeout"):
            await ask(pool)
        assert pool.stats == (0, 0, 0, 0)


async def test_closing_lets_what_is_in_flight_finish(start_upstream, make_pool, ask, eventually) -> None:
    gate = Gate()
    upstream = await start_upstream(gate.script)
    pool = make_pool(upstream)
    gate.open(b"/idle")
    idle = asyncio.create_task(ask(pool, target=b"/idle"))
    busy = asyncio.create_task(ask(pool, target=b"/busy"))
    await gate.arrived.get()
    await gate.arrived.get()
    await idle
    closing = asyncio.create_task(pool.close(grace=10.0))
    await eventually(lambda: pool.stats == (1, 0, 1, 0))
    with pytest.raises(UpstreamUnreachable):
        await ask(pool)
    gate.open(b"/busy")
    assert (await busy).complete_body == b"ruby"
    await closing
    assert pool.stats == (0, 0, 0, 0)


async def test_closing_refuses_those_who_wait_and_cuts_those_who_stay(start_upstream, make_pool, ask) -> None:
    gate = Gate()
    pool = make_pool(await start_upstream(gate.script), max_connections=1, connect_timeout=10.0)
    busy = asyncio.create_task(ask(pool, target=b"/busy"))
    await gate.arrived.get()
    waiter = asyncio.create_task(ask(pool))
    await asyncio.sleep(0)
    await pool.close(grace=0.0)
    outcomes = await asyncio.gather(busy, waiter, return_exceptions=True)
    assert [type(outcome).__name__ for outcome in outcomes] == ["UpstreamBroken", "UpstreamUnreachable"]


async def test_a_connection_that_opens_after_the_closing_is_closed(start_upstream, make_pool, ask) -> None:
    pool = make_pool(await start_upstream(Gate().script))
    late = asyncio.create_task(ask(pool))
    await asyncio.sleep(0)
    assert pool.stats == (1, 0, 1, 0)
    closing = asyncio.create_task(pool.close(grace=10.0))
    with pytest.raises(UpstreamUnreachable):
        await late
    assert pool.stats == (0, 0, 0, 0)
    await closing


async def test_one_connection_carries_many_requests_past_its_first_deadline(
    start_upstream, make_pool, ask, answering
) -> None:
    upstream = await start_upstream(answering(ANSWER))
    pool = make_pool(upstream)
    await ask(pool, first_byte_timeout=0.05, total_timeout=0.05)
    silent = await start_upstream(lambda peer: peer.until_closed())
    with pytest.raises(UpstreamTimeout):  # time passes: the first deadline, too
        await ask(make_pool(silent), first_byte_timeout=0.1)
    assert (await ask(pool)).complete_body == b"ruby"
    assert len(upstream.peers) == 1


@pytest.mark.parametrize(
    "url", ["ftp://gems", "gems:80", "http://", "http://a:b@gems", "http://gems/api", "http://gems?x"]
)
async def test_an_upstream_is_only_an_origin(url: str) -> None:
    with pytest.raises(ValueError, match="upstream"):
        Upstream("gems", [url])


@pytest.mark.parametrize(
    "banner", [ANSWER, b"220 ready\r\n", b"\r\n", b""], ids=["answer", "greeting", "line-end", "end"]
)
async def test_an_upstream_that_speaks_or_closes_before_it_is_asked_is_not_asked(
    make_pool, ask, banner
) -> None:
    """Its bytes would be taken for the answer to the first request."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        pool = make_pool(f"http://127.0.0.1:{listener.getsockname()[1]}")
        listener.setblocking(False)
        asked = asyncio.create_task(ask(pool, b"POST"))
        plug = None
        while plug is None:
            await asyncio.sleep(0)
            with contextlib.suppress(BlockingIOError):
                plug, _ = listener.accept()
        with plug:  # the loop has had no turn since the connection is there
            if banner:
                plug.sendall(banner)
            else:
                plug.shutdown(socket.SHUT_WR)
            with pytest.raises(UpstreamUnreachable, match="before it was asked"):
                await asked
            assert b"POST" not in plug.recv(65536)
    assert pool.stats == (0, 0, 0, 0)
