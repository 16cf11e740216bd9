"""What counts as a response, where it ends, and what costs an upstream its connection."""

import asyncio
import contextlib
import ssl
from pathlib import Path

import pytest
import uvloop

from gateway.tests.certificates import certified, presenting
from gateway.wire.exceptions import UpstreamBroken
from gateway.wire.reader import ResponseReader

pytestmark = pytest.mark.asyncio(loop_scope="function")

OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (OK + b"Content-Length: 4\r\n\r\nruby", b"ruby"),
        (OK + b"Content-Length: 0\r\n\r\n", b""),
        (OK + b"Content-Length: 6\r\n\r\nruby\r\n", b"ruby\r\n"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nru\r\n2;a=b\r\nby\r\n0\r\n\r\n", b"ruby"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nruby\r\n0\r\nX-Sum: 1\r\n\r\n", b"ruby"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", b""),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n"
            + OK
            + b"Content-Length: 0\r\n\r\n",
            b"",
        ),
    ],
)
async def test_a_response_ends_where_its_framing_says(
    start_upstream, make_pool, ask, answering, answer, body
) -> None:
    upstream = await start_upstream(answering(answer))
    pool = make_pool(upstream)
    for _ in range(3):
        response = await ask(pool)
        assert response.complete_body == body
    assert len(upstream.peers) == 1
    assert pool.stats == (1, 1, 0, 0)


async def test_a_response_can_be_read_octet_by_octet(start_upstream, make_pool, ask, read) -> None:
    answer = OK + b"X-Cut: oval\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nruby\r\n0\r\n\r\n"

    async def script(peer):
        while True:
            await peer.request()
            for octet in answer:
                await peer.send(bytes([octet]))

    upstream = await start_upstream(script)
    pool = make_pool(upstream)
    for _ in range(2):
        response = await ask(pool)
        assert response.headers == [(b"x-cut", b"oval"), (b"transfer-encoding", b"chunked")]
        assert await read(response) == b"ruby"


async def test_interim_headers_and_trailers_are_not_the_responses(
    start_upstream, make_pool, ask, answering
) -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    final = OK + b"A: b\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nSecret: 1\r\n\r\n"
    upstream = await start_upstream(answering(interim + final))
    response = await ask(make_pool(upstream))
    assert response.status == 200
    assert response.headers == [(b"a", b"b"), (b"transfer-encoding", b"chunked")]


@pytest.mark.parametrize("framing", [b"Content-Length: 4\r\n", b"Transfer-Encoding: chunked\r\n"])
async def test_an_answer_to_head_has_no_body(start_upstream, make_pool, ask, framing) -> None:
    async def script(peer):
        while True:
            head, _ = await peer.request()
            await peer.send(
                OK + (framing if head.startswith(b"HEAD") else b"Content-Length: 4\r\n") + b"\r\n"
            )
            if head.startswith(b"GET"):
                await peer.send(b"ruby")

    upstream = await start_upstream(script)
    pool = make_pool(upstream)
    for method, body in [(b"HEAD", b""), (b"HEAD", b""), (b"GET", b"ruby"), (b"HEAD", b"")]:
        response = await ask(pool, method)
        assert response.complete_body == body
    assert len(upstream.peers) == 1


async def test_without_framing_the_body_ends_with_the_connection(
    start_upstream, make_pool, ask, read
) -> None:
    async def script(peer):
        await peer.request()
        await peer.send(OK + b"\r\nru")
        await peer.send(b"by")

    upstream = await start_upstream(script)
    pool = make_pool(upstream)
    for _ in range(2):
        assert await read(await ask(pool)) == b"ruby"
    assert len(upstream.peers) == 2
    assert pool.stats.open == 0


@pytest.mark.parametrize(
    "closing", [OK + b"Connection: close\r\n", b"HTTP/1.0 200 OK\r\n"], ids=["connection-close", "http-1.0"]
)
async def test_a_connection_that_will_close_is_not_reused(
    start_upstream, make_pool, ask, answering, closing
) -> None:
    upstream = await start_upstream(answering(closing + b"Content-Length: 4\r\n\r\nruby"))
    pool = make_pool(upstream)
    response = await ask(pool)
    assert response.complete_body == b"ruby"
    assert pool.stats.open == 0


MALFORMED = {
    "no-http": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "other-protocol": b"RTSP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "other-version": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "leading-line": b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "no-status": b"HTTP/1.1 OK\r\n\r\n",
    "status-0": b"HTTP/1.1 000 Nil\r\nContent-Length: 0\r\n\r\n",
    "status-999": b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n",
    "space-in-name": OK + b"Content-Length : 0\r\n\r\n",
    "folded": OK + b"A: b\r\n c\r\nContent-Length: 0\r\n\r\n",
    "bare-lf": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "bare-cr": OK + b"A: b\rc\r\nContent-Length: 0\r\n\r\n",
    "nul": OK + b"A: \0\r\nContent-Length: 0\r\n\r\n",
    "two-lengths": OK + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\nruby",
    "length-and-chunked": OK + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked-1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "other-version-after-interim": b"HTTP/1.1 100 Go\r\n\r\nHTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "gzip-coding": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked-twice": OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "switching": b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    "switching-to-nothing": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "surplus": OK + b"Content-Length: 4\r\n\r\nrubyX",
    "second-response": (OK + b"Content-Length: 4\r\n\r\nruby") * 2,
    "second-response-without-body": (OK + b"Content-Length: 0\r\n\r\n") * 2,
    "surplus-after-204": b"HTTP/1.1 204 No Content\r\n\r\nruby",
    "surplus-after-chunks": OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n0\r\n\r\n",
    "endless-head": OK + b"A: " + b"b" * 70_000,
    "large-head": OK + b"A: b\r\n" * 12_000 + b"Content-Length: 0\r\n\r\n",
    "endless-interims": b"HTTP/1.1 102 Processing\r\n\r\n" * 3_000,
    "closed-in-head": OK + b"Content-",
    "cut-small-body": OK + b"Content-Length: 4\r\n\r\nru",
}


@pytest.mark.parametrize("answer", MALFORMED.values(), ids=MALFORMED.keys())
async def test_what_is_not_one_response_breaks_the_connection(start_upstream, make_pool, ask, answer) -> None:
    async def script(peer):
        await peer.request()
        await peer.send(answer)
        if answer == MALFORMED["closed-in-head"] or answer == MALFORMED["cut-small-body"]:
            return
        await peer.until_closed()

    upstream = await start_upstream(script)
    pool = make_pool(upstream)
    with pytest.raises(UpstreamBroken) as broken:
        await ask(pool)
    assert broken.value.upstream == "gems"
    assert not broken.value.unanswered
    assert pool.stats == (0, 0, 0, 0)
    await upstream.peers[0].ended.wait()
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("cut", range(9))
@pytest.mark.parametrize("version", [b"2.0", b"0.9"])
async def test_another_version_is_refused_however_it_is_cut(cut: int, version: bytes) -> None:
    answer = b"HTTP/" + version + b" 200 OK\r\nContent-Length: 0\r\n\r\n"
    reader = ResponseReader()
    assert [fault for piece in (answer[:cut], answer[cut:]) if (fault := reader.feed(piece))]


@pytest.mark.parametrize("framing", [b"Content-Length: 4", b"Transfer-Encoding: chunked"])
async def test_a_connection_on_which_204_announces_a_body_is_not_reused(
    start_upstream, make_pool, ask, answering, framing
) -> None:
    """Such a body may follow, and would be taken for the next answer."""
    upstream = await start_upstream(answering(b"HTTP/1.1 204 No Content\r\n" + framing + b"\r\n\r\n"))
    pool = make_pool(upstream)
    assert (await ask(pool)).status == 204
    assert pool.stats.open == 0


async def test_an_answer_to_head_with_a_body_breaks_the_connection(
    start_upstream, make_pool, ask, answering
) -> None:
    upstream = await start_upstream(answering(OK + b"Content-Length: 4\r\n\r\nruby"))
    pool = make_pool(upstream)
    with pytest.raises(UpstreamBroken):
        await ask(pool, b"HEAD")
    assert pool.stats.open == 0


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"Content-Length: 4\r\n\r\nruby\r\n",
        OK + b"Content-Length: 0\r\n\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nruby\r\n0\r\n\r\n\r\n",
    ],
)
async def test_surplus_line_ends_cost_the_connection_not_the_response(
    start_upstream, make_pool, ask, answering, answer
) -> None:
    upstream = await start_upstream(answering(answer))
    pool = make_pool(upstream)
    assert (await ask(pool)).status == 200
    assert pool.stats.open == 0


async def test_an_answer_nobody_asked_for_is_never_the_next_one(start_upstream, make_pool, ask) -> None:
    read = asyncio.Event()

    async def script(peer):
        await peer.request()
        await peer.send(OK + b"Content-Length: 4\r\n\r\nruby")
        if peer.number == 0:
            await read.wait()
            await peer.send(OK + b"Content-Length: 6\r\n\r\npoison")
        await peer.until_closed()

    upstream = await start_upstream(script)
    pool = make_pool(upstream)
    assert (await ask(pool)).complete_body == b"ruby"
    read.set()
    await upstream.peers[0].ended.wait()
    assert (await ask(pool)).complete_body == b"ruby"
    assert len(upstream.peers) == 2


async def test_an_answer_unread_in_the_kernel_is_never_the_next_one(
    start_upstream, make_pool, ask, answering
) -> None:
    upstream = await start_upstream(answering(OK + b"Content-Length: 4\r\n\r\nruby"))
    pool = make_pool(upstream)
    await ask(pool)
    # Straight to the socket: the pool's loop has no turn between this and the next request.
    upstream.peers[0].writer.write(OK + b"Content-Length: 6\r\n\r\npoison")
    assert (await ask(pool, b"POST")).complete_body == b"ruby"


@pytest.mark.parametrize(
    "rest",
    [b"A: " + b"b" * 700_000, b"A: b\r\n" * 120_000],
    ids=["one", "many"],
)
async def test_endless_trailers_break_the_connection(start_upstream, make_pool, ask, read, rest) -> None:
    async def script(peer):
        await peer.request()
        await peer.send(OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nruby\r\n")
        await peer.send(b"0\r\n" + rest)
        await peer.until_closed()

    pool = make_pool(await start_upstream(script))
    with pytest.raises(UpstreamBroken):
        await read(await ask(pool))
    assert pool.stats.open == 0


@pytest.mark.parametrize(
    "start",
    [
        OK + b"Content-Length: 100000\r\n\r\nruby",
        OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nruby\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nruby\r\n0\r\n",
    ],
    ids=["content-length", "chunked", "chunked-without-end"],
)
async def test_a_truncated_body_is_an_error(start_upstream, make_pool, ask, start) -> None:
    async def script(peer):
        await peer.request()
        await peer.send(start)

    pool = make_pool(await start_upstream(script))
    response = await ask(pool)
    assert response.complete_body is None
    chunks = aiter(response)
    assert await anext(chunks) == b"ruby"
    with pytest.raises(UpstreamBroken):
        await anext(chunks)
    assert response.complete_body is None
    assert pool.stats.open == 0


async def test_a_reset_is_no_end_for_a_body_without_framing(start_upstream, make_pool, ask) -> None:
    read = asyncio.Event()

    async def script(peer):
        await peer.request()
        await peer.send(OK + b"\r\nruby")
        await read.wait()
        peer.reset()

    pool = make_pool(await start_upstream(script))
    chunks = aiter(await ask(pool))
    assert await anext(chunks) == b"ruby"
    read.set()
    with pytest.raises(UpstreamBroken):
        await anext(chunks)


@pytest.mark.parametrize("farewell", [True, False])
async def test_a_body_over_tls_ends_when_the_upstream_closes_not_when_somebody_cuts_the_connection(
    make_pool, ask, read, tmp_path: Path, farewell: bool
) -> None:
    """Only the upstream can send TLS' alert (RFC 9112, section 9.8). asyncio's loop does not tell the two
    apart; the workers run on uvloop.
    """
    certificate = certified(tmp_path / "own.pem")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nprivate")
        await writer.drain()
        if farewell:
            writer.close()
        else:
            writer.transport.abort()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=presenting(certificate))
    port = server.sockets[0].getsockname()[1]
    tls = ssl.create_default_context(cafile=certificate)
    with contextlib.closing(server):
        response = await ask(make_pool(f"https://localhost:{port}", tls=tls))
        if farewell or not isinstance(asyncio.get_running_loop(), uvloop.Loop):
            assert await read(response) == b"private"
        else:
            with pytest.raises(UpstreamBroken):
                await read(response)
