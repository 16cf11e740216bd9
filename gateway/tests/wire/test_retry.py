"""What happens when a kept-alive connection dies just as it is used again."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.wire.exceptions import UpstreamBroken

pytestmark = pytest.mark.asyncio(loop_scope="function")

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nruby"


async def die_on_the_second_request(peer) -> None:
    """Only the first connection does: it takes the second request and closes without a word."""
    await peer.request()
    await peer.send(ANSWER)
    await peer.request()
    if peer.number > 0:
        await peer.send(ANSWER)
        await peer.until_closed()


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"])
async def test_an_idempotent_request_is_repeated_once_on_a_new_connection(
    start_upstream, make_pool, ask, method
) -> None:
    async def script(peer):
        await peer.request()
        await peer.send(ANSWER if method != b"HEAD" else ANSWER[:-4])
        if peer.number == 0:
            await peer.request()

    upstream = await start_upstream(script)
    pool = make_pool(upstream)
    body = b"diamond" if method == b"PUT" else None
    await ask(pool, method, body=body)
    response = await ask(pool, method, body=body)
    assert response.status == 200
    assert len(upstream.peers) == 2
    assert len(upstream.requests) == 3
    assert upstream.requests[1] == upstream.requests[2]


@pytest.mark.parametrize("method", [b"POST", b"PATCH"])
async def test_a_request_that_may_have_acted_is_not_repeated(start_upstream, make_pool, ask, method) -> None:
    upstream = await start_upstream(die_on_the_second_request)
    pool = make_pool(upstream)
    await ask(pool, method, body=b"ruby")
    with pytest.raises(UpstreamBroken) as broken:
        await ask(pool, method, body=b"ruby")
    assert broken.value.unanswered
    assert len(upstream.requests) == 2
    assert pool.stats == (0, 0, 0, 0)


async def test_a_streamed_body_is_not_repeated(start_upstream, make_pool, ask) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"ruby"

    upstream = await start_upstream(die_on_the_second_request)
    pool = make_pool(upstream)
    await ask(pool, b"PUT", body=body())
    with pytest.raises(UpstreamBroken):
        await ask(pool, b"PUT", body=body())
    assert len(upstream.requests) == 2


async def test_a_new_connection_that_dies_is_not_replaced(start_upstream, make_pool, ask) -> None:
    async def script(peer):
        await peer.request()

    upstream = await start_upstream(script)
    with pytest.raises(UpstreamBroken) as broken:
        await ask(make_pool(upstream))
    assert broken.value.unanswered
    assert len(upstream.requests) == 1


async def test_there_is_one_repetition_and_no_more(start_upstream, make_pool, ask) -> None:
    async def script(peer):
        await peer.request()
        if peer.number == 0:
            await peer.send(ANSWER)
            await peer.request()

    upstream = await start_upstream(script)
    pool = make_pool(upstream)
    await ask(pool)
    with pytest.raises(UpstreamBroken):
        await ask(pool)
    assert len(upstream.requests) == 3


async def test_an_answer_begun_is_not_asked_for_again(start_upstream, make_pool, ask) -> None:
    async def script(peer):
        await peer.request()
        await peer.send(ANSWER)
        await peer.request()
        await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    upstream = await start_upstream(script)
    pool = make_pool(upstream)
    await ask(pool)
    with pytest.raises(UpstreamBroken) as broken:
        await ask(pool)
    assert not broken.value.unanswered
    assert len(upstream.requests) == 2


async def test_the_repetition_passes_idle_connections_over(start_upstream, make_pool, ask) -> None:
    both = asyncio.Barrier(2)

    async def script(peer):
        await peer.request()
        if peer.number < 2:
            await both.wait()
            await peer.send(ANSWER)
            await peer.request()  # and both die: an upstream that restarts drops all it had
        else:
            await peer.send(ANSWER)

    upstream = await start_upstream(script)
    pool = make_pool(upstream, max_connections=2)
    await asyncio.gather(ask(pool), ask(pool))
    assert pool.stats == (2, 2, 0, 0)
    assert (await ask(pool)).complete_body == b"ruby"
    assert len(upstream.requests) == 4


async def test_a_connection_closed_meanwhile_is_never_used(start_upstream, make_pool, ask) -> None:
    async def script(peer):
        await peer.request()
        await peer.send(ANSWER)

    upstream = await start_upstream(script)
    pool = make_pool(upstream)
    for number in range(3):
        assert (await ask(pool, b"POST", body=b"x")).complete_body == b"ruby"
        await upstream.peers[number].ended.wait()
    assert len(upstream.requests) == 3
