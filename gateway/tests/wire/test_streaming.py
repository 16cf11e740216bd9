"""Bodies of any size pass through in bounded memory, both ways, and stop when they should."""

import asyncio

import pytest

from gateway.wire.exceptions import UpstreamBroken

pytestmark = pytest.mark.asyncio(loop_scope="function")

OK = b"HTTP/1.1 200 OK\r\n"
SMALL = OK + b"Content-Length: 4\r\n\r\nruby"
MB = 1024 * 1024
PIECE = bytes(MB // 4)
IN_KERNEL = 12 * MB  # what the sockets of both ends may hold between them


@pytest.mark.parametrize("chunked", [False, True], ids=["content-length", "chunked"])
async def test_a_large_response_waits_for_a_slow_reader(
    start_upstream, make_pool, ask, answering, chunked
) -> None:
    sent = 0

    async def script(peer):
        nonlocal sent
        await peer.request()
        await peer.send(OK + (b"Transfer-Encoding: chunked" if chunked else b"Content-Length: 104857600"))
        await peer.send(b"\r\n\r\n")
        for _ in range(400):
            await peer.send(b"40000\r\n" + PIECE + b"\r\n" if chunked else PIECE)
            sent += len(PIECE)
        await peer.send(b"0\r\n\r\n" if chunked else b"")
        await peer.until_closed()

    pool = make_pool(await start_upstream(script))
    elsewhere = make_pool(await start_upstream(answering(SMALL)))
    response = await ask(pool)
    received = buffered = ahead = 0
    async for chunk in response:
        received += len(chunk)
        if received < 20 * MB:
            for _ in range(5):  # a reader slower than the upstream: it has other things to do first
                await ask(elsewhere)
        buffered = max(buffered, response.buffered)
        ahead = max(ahead, sent - received)
    assert received == sent == 100 * MB
    assert 0 < buffered <= 512 * 1024  # the high-water mark, and one read from the socket above it
    assert ahead < IN_KERNEL
    assert pool.stats == (1, 1, 0, 0)


@pytest.mark.parametrize(
    "headers", [[(b"content-length", b"104857600")], []], ids=["content-length", "chunked"]
)
async def test_a_large_request_waits_for_a_slow_upstream(start_upstream, make_pool, ask, headers) -> None:
    yielded = received = ahead = 0

    async def body():
        nonlocal yielded, ahead
        for _ in range(400):
            yielded += len(PIECE)
            ahead = max(ahead, yielded - received)
            yield PIECE

    async def script(peer):
        nonlocal received
        await peer.reader.readuntil(b"\r\n\r\n")
        for _ in range(400):
            if not headers:
                assert await peer.reader.readuntil(b"\r\n") == b"40000\r\n"
            await peer.reader.readexactly(len(PIECE))
            received += len(PIECE)
            if not headers:
                assert await peer.reader.readexactly(2) == b"\r\n"
        if not headers:
            assert await peer.reader.readexactly(5) == b"0\r\n\r\n"
        await peer.send(SMALL)
        await peer.until_closed()

    pool = make_pool(await start_upstream(script))
    response = await ask(pool, b"POST", headers=headers, body=body())
    assert response.complete_body == b"ruby"
    assert received == 100 * MB
    assert ahead < IN_KERNEL
    assert pool.stats == (1, 1, 0, 0)


async def test_an_empty_chunk_does_not_end_the_request(start_upstream, make_pool, ask, answering) -> None:
    async def body():
        for chunk in (b"ru", b"", b"by"):
            yield chunk

    upstream = await start_upstream(answering(SMALL))
    await ask(make_pool(upstream), b"POST", body=body())
    assert upstream.requests[0][1] == b"ruby"


async def test_an_early_error_stops_the_request(start_upstream, make_pool, ask) -> None:
    stopped = asyncio.Event()

    async def body():
        try:
            yield PIECE
            await asyncio.Event().wait()  # a client that would go on sending
        finally:
            stopped.set()

    async def script(peer):
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n\r\nlarge")
        await peer.until_closed()

    upstream = await start_upstream(script)
    pool = make_pool(upstream)
    response = await ask(pool, b"POST", headers=[(b"content-length", b"104857600")], body=body())
    assert (response.status, response.complete_body) == (413, b"large")
    assert stopped.is_set()
    assert pool.stats == (0, 0, 0, 0)
    await upstream.peers[0].ended.wait()


async def test_an_early_error_stops_the_request_even_if_it_is_long_itself(
    start_upstream, make_pool, ask, read
) -> None:
    stopped, told = asyncio.Event(), asyncio.Event()

    async def body():
        try:
            yield PIECE
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async def script(peer):
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n")
        await told.wait()
        await peer.send(b"2\r\nno\r\n0\r\n\r\n")
        await peer.until_closed()

    pool = make_pool(await start_upstream(script))
    response = await ask(pool, b"POST", body=body())
    assert stopped.is_set()
    told.set()
    assert await read(response) == b"no"
    assert pool.stats == (0, 0, 0, 0)


async def test_an_early_error_is_delivered_while_the_upstream_reads_nothing(
    start_upstream, make_pool, ask
) -> None:
    async def script(peer):
        await peer.reader.readuntil(b"\r\n\r\n")
        peer.writer.transport.pause_reading()
        await peer.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
        await answered.wait()

    async def body():
        while True:
            yield PIECE

    answered = asyncio.Event()
    pool = make_pool(await start_upstream(script))
    response = await ask(pool, b"POST", body=body())
    assert response.complete_body == b"no"
    assert pool.stats == (0, 0, 0, 0)
    answered.set()


async def test_a_large_body_at_hand_that_was_not_all_sent_costs_the_connection(
    start_upstream, make_pool, ask
) -> None:
    async def script(peer):
        await peer.reader.readuntil(b"\r\n\r\n")
        peer.writer.transport.pause_reading()
        await peer.send(SMALL)
        await answered.wait()

    answered = asyncio.Event()
    pool = make_pool(await start_upstream(script))
    assert (await ask(pool, b"PUT", body=bytes(40 * MB))).complete_body == b"ruby"
    assert pool.stats == (0, 0, 0, 0)
    answered.set()


async def test_an_early_success_leaves_the_request_going(start_upstream, make_pool, ask) -> None:
    echoed = asyncio.Event()

    async def body():
        yield b"ru"
        await echoed.wait()
        yield b"by"

    async def script(peer):
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(OK + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(2):
            await peer.reader.readuntil(b"\r\n")
            await peer.send(b"2\r\n" + await peer.reader.readexactly(4))
        assert await peer.reader.readexactly(5) == b"0\r\n\r\n"
        await peer.send(b"0\r\n\r\n")
        await peer.until_closed()

    pool = make_pool(await start_upstream(script))
    chunks = aiter(await ask(pool, b"POST", body=body()))
    assert await anext(chunks) == b"ru"
    echoed.set()
    assert b"".join([chunk async for chunk in chunks]) == b"by"
    assert pool.stats == (1, 1, 0, 0)


async def test_a_success_complete_before_the_request_costs_the_connection(
    start_upstream, make_pool, ask
) -> None:
    async def body():
        yield b"ru"
        await asyncio.Event().wait()

    async def script(peer):
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(SMALL)
        await peer.until_closed()

    pool = make_pool(await start_upstream(script))
    assert (await ask(pool, b"POST", body=body())).complete_body == b"ruby"
    assert pool.stats == (0, 0, 0, 0)


async def test_an_upstream_that_dies_while_it_is_sent_to_is_broken(start_upstream, make_pool, ask) -> None:
    stopped = asyncio.Event()

    async def body():
        try:
            while True:
                yield PIECE
        finally:
            stopped.set()

    async def script(peer):
        await peer.reader.readexactly(MB)
        peer.reset()

    pool = make_pool(await start_upstream(script))
    with pytest.raises(UpstreamBroken):
        await ask(pool, b"POST", body=body())
    await stopped.wait()
    assert pool.stats == (0, 0, 0, 0)
