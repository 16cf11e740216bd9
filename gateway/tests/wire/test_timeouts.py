"""Every wait for an upstream ends; which timeout ends it."""

import asyncio
import math

import pytest

from gateway.wire.exceptions import UpstreamTimeout

pytestmark = pytest.mark.asyncio(loop_scope="function")

OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 100 Continue\r\n\r\n", OK + b"Content-"])
async def test_a_late_head_is_a_first_byte_timeout(start_upstream, make_pool, ask, start) -> None:
    async def script(peer):
        await peer.request()
        await peer.send(start)
        await peer.until_closed()

    upstream = await start_upstream(script)
    pool = make_pool(upstream)
    with pytest.raises(UpstreamTimeout, match="first byte"):
        await ask(pool, first_byte_timeout=0.05, total_timeout=math.inf)
    assert pool.stats == (0, 0, 0, 0)
    await upstream.peers[0].ended.wait()
    assert len(upstream.requests) == 1


async def test_a_late_head_can_be_a_total_timeout_too(start_upstream, make_pool, ask) -> None:
    pool = make_pool(await start_upstream(lambda peer: peer.until_closed()))
    with pytest.raises(UpstreamTimeout, match="total"):
        await ask(pool, total_timeout=0.05)


async def test_a_kept_connection_keeps_the_new_deadline(start_upstream, make_pool, ask) -> None:
    async def script(peer):
        await peer.request()
        await peer.send(OK + b"Content-Length: 0\r\n\r\n")
        await peer.until_closed()

    pool = make_pool(await start_upstream(script))
    await ask(pool)
    with pytest.raises(UpstreamTimeout, match="first byte"):
        await ask(pool, first_byte_timeout=0.05)


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 100000\r\n", b"Transfer-Encoding: chunked\r\n", b""], ids=bytes.decode
)
async def test_the_total_timeout_covers_the_body(start_upstream, make_pool, ask, framing) -> None:
    async def script(peer):
        await peer.request()
        await peer.send(OK + framing + b"\r\n" + (b"4\r\nruby\r\n" if b"chunked" in framing else b"ruby"))
        await peer.until_closed()

    upstream = await start_upstream(script)
    pool = make_pool(upstream)
    chunks = aiter(await ask(pool, first_byte_timeout=0.1, total_timeout=0.2))
    assert await anext(chunks) == b"ruby"
    with pytest.raises(UpstreamTimeout, match="total"):
        await anext(chunks)
    assert pool.stats == (0, 0, 0, 0)
    await upstream.peers[0].ended.wait()


async def test_a_small_body_that_stalls_is_a_timeout_before_any_response(
    start_upstream, make_pool, ask
) -> None:
    async def script(peer):
        await peer.request()
        await peer.send(OK + b"Content-Length: 4\r\n\r\nru")
        await peer.until_closed()

    pool = make_pool(await start_upstream(script))
    with pytest.raises(UpstreamTimeout, match="total"):
        await ask(pool, total_timeout=0.1)


async def test_the_first_byte_timeout_waits_until_the_request_is_sent(start_upstream, make_pool, ask) -> None:
    late = asyncio.Event()

    async def body():
        yield b"ru"
        await late.wait()
        yield b"by"

    async def script(peer):
        await peer.request()
        await peer.send(OK + b"Content-Length: 0\r\n\r\n")
        await peer.until_closed()

    pool = make_pool(await start_upstream(script))
    upload = asyncio.create_task(ask(pool, b"POST", body=body(), first_byte_timeout=0.1))
    silent = make_pool(await start_upstream(lambda peer: peer.until_closed()))
    with pytest.raises(UpstreamTimeout):  # more than the upload's timeout has passed after this
        await ask(silent, first_byte_timeout=0.2)
    late.set()
    assert (await upload).status == 200


async def test_a_streamed_request_without_answer_times_out(start_upstream, make_pool, ask) -> None:
    async def body():
        yield b"ruby"

    pool = make_pool(await start_upstream(lambda peer: peer.until_closed()))
    with pytest.raises(UpstreamTimeout, match="first byte"):
        await ask(pool, b"POST", body=body(), first_byte_timeout=0.05)


async def test_a_body_that_never_comes_ends_with_the_total_timeout(start_upstream, make_pool, ask) -> None:
    left = asyncio.Event()

    async def body():
        try:
            yield b"ru"
            await asyncio.Event().wait()
        finally:
            left.set()

    pool = make_pool(await start_upstream(lambda peer: peer.until_closed()))
    with pytest.raises(UpstreamTimeout, match="total"):
        await ask(pool, b"POST", body=body(), first_byte_timeout=0.05, total_timeout=0.1)
    assert left.is_set()
