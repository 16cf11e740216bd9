"""A caller who leaves, at whatever moment, leaves no connection, slot or exception behind."""

import asyncio

import pytest

from gateway.upstreams import Upstream
from gateway.wire.exceptions import UpstreamBroken

pytestmark = pytest.mark.asyncio(loop_scope="function")

OK = b"HTTP/1.1 200 OK\r\n"
ENDLESS = OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nruby\r\n"


async def start_a_body(peer) -> None:
    await peer.request()
    await peer.send(ENDLESS)
    await peer.until_closed()


async def test_cancelled_before_the_answer(start_upstream, make_pool, ask) -> None:
    asked = asyncio.Event()

    async def script(peer):
        await peer.request()
        asked.set()
        await peer.until_closed()

    upstream = await start_upstream(script)
    pool = make_pool(upstream)
    caller = asyncio.create_task(ask(pool))
    await asked.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert pool.stats == (0, 0, 0, 0)
    await upstream.peers[0].ended.wait()


async def test_cancelled_while_the_connection_opens(start_upstream, make_pool, ask, eventually) -> None:
    pool = make_pool(await start_upstream(start_a_body))
    caller = asyncio.create_task(ask(pool))
    await asyncio.sleep(0)
    assert pool.stats == (1, 0, 1, 0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await eventually(lambda: pool.stats == (0, 0, 0, 0))


async def test_cancelled_while_it_waits_for_a_second_replica(start_upstream, ask) -> None:
    """The first one's pool was closed, so its refusal came at once."""
    silent = await start_upstream(start_a_body)
    upstream = Upstream("gems", [silent.url] * 2, max_connections=1, connect_timeout=10.0)
    closed, other = upstream.replicas
    closed.pool.begin_closing()
    closed.failed(asyncio.get_running_loop().time())
    busy = asyncio.create_task(ask(upstream))
    await asyncio.sleep(0)
    closed.failures, closed.ejected_until = 0, 0.0  # it is the less busy one, and tried first
    waiting = asyncio.create_task(ask(upstream))
    await asyncio.sleep(0)
    assert closed.failures == 1
    assert other.pool.stats.waiting == 1
    waiting.cancel()
    await asyncio.wait([waiting])
    assert other.pool.stats.waiting == 0
    busy.cancel()
    await asyncio.wait([busy])
    await upstream.close()


async def test_cancelled_while_the_request_body_is_sent(start_upstream, make_pool, ask) -> None:
    asked, stopped = asyncio.Event(), asyncio.Event()

    async def body():
        try:
            asked.set()
            yield b"ru"
            await asyncio.Event().wait()
        finally:
            stopped.set()

    upstream = await start_upstream(lambda peer: peer.until_closed())
    pool = make_pool(upstream)
    caller = asyncio.create_task(ask(pool, b"POST", body=body()))
    await asked.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert stopped.is_set()
    assert pool.stats == (0, 0, 0, 0)
    await upstream.peers[0].ended.wait()


async def test_cancelled_in_the_middle_of_the_body(start_upstream, make_pool, ask, read) -> None:
    upstream = await start_upstream(start_a_body)
    pool = make_pool(upstream)
    response = await ask(pool)
    caller = asyncio.create_task(read(response))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert pool.stats == (0, 0, 0, 0)
    await upstream.peers[0].ended.wait()


async def test_leaving_the_loop_over_the_body_closes_it(start_upstream, make_pool, ask) -> None:
    upstream = await start_upstream(start_a_body)
    pool = make_pool(upstream)
    async for chunk in await ask(pool):
        assert chunk == b"ruby"
        break
    await upstream.peers[0].ended.wait()
    assert pool.stats == (0, 0, 0, 0)


@pytest.mark.parametrize("by_context", [False, True])
async def test_a_response_can_be_closed_unread(start_upstream, make_pool, ask, by_context) -> None:
    upstream = await start_upstream(start_a_body)
    pool = make_pool(upstream)
    response = await ask(pool)
    if by_context:
        async with response:
            pass
    else:
        await response.aclose()
    assert pool.stats == (0, 0, 0, 0)
    await upstream.peers[0].ended.wait()


async def test_closing_a_response_ends_the_wait_of_its_reader(start_upstream, make_pool, ask, read) -> None:
    pool = make_pool(await start_upstream(start_a_body))
    response = await ask(pool)
    reader = asyncio.create_task(read(response))
    await asyncio.sleep(0)
    await response.aclose()
    with pytest.raises(UpstreamBroken):
        await reader


async def test_closing_a_complete_response_keeps_the_connection(
    start_upstream, make_pool, ask, answering
) -> None:
    upstream = await start_upstream(answering(OK + b"Content-Length: 4\r\n\r\nruby"))
    pool = make_pool(upstream)
    first = await ask(pool)
    second = asyncio.create_task(ask(pool))
    await asyncio.sleep(0)
    await first.aclose()  # its connection carries another exchange by now
    assert (await second).complete_body == b"ruby"
    assert len(upstream.peers) == 1


@pytest.mark.parametrize(
    ("answer", "kept"), [(ENDLESS, 0), (OK + b"Content-Length: 4\r\n\r\nruby", 1)], ids=["begun", "complete"]
)
async def test_cancelled_in_the_turn_of_the_loop_that_brought_the_answer(
    start_upstream, make_pool, ask, answer, kept
) -> None:
    async def script(peer):
        await peer.request()
        await peer.send(OK + b"Content-Length: 0\r\n\r\n")
        await peer.request()
        await peer.send(answer)
        await peer.until_closed()

    pool = make_pool(await start_upstream(script))
    await ask(pool)
    # Driven by hand, because no task can be cancelled between the answer and its own next step.
    caller = ask(pool)
    answered = caller.send(None)
    await asyncio.wait([answered])
    with pytest.raises(asyncio.CancelledError):
        caller.throw(asyncio.CancelledError())
    assert pool.stats == (kept, kept, 0, 0)
