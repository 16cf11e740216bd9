"""Server-sent events through the gateway, with a real client."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2
import pytest

from gateway.main import create_app
from gateway.settings import GatewaySettings
from gateway.wire.server import ClientConnection
from shared.identity.revocations import publish_end
from shared.testing import TestIdentity, served

ROUTES = """
[[route]]
path = "/events"
methods = ["GET"]
upstream = "items"
auth = "public"
timeout = 0.5
body_limit = 0
"""
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def feed(items):
    """An upstream that sends what is put here, piece by piece; None ends the stream."""
    pieces: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def script(peer) -> None:
        await peer.request()
        await peer.send(HEAD)
        while (piece := await pieces.get()) is not None:
            await peer.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        await peer.send(b"0\r\n\r\n")
        await peer.until_closed()

    items.script = script
    return pieces


def event(number: int) -> bytes:
    return b"id: %d\ndata: gem\n\n" % number


async def read_on(stream: AsyncIterator[bytes], wanted: bytes) -> None:
    """Each event arrives before the next one is sent: nothing waits for more."""
    heard = b""
    async with asyncio.timeout(10):
        while len(heard) < len(wanted):
            heard += await anext(stream)
    assert heard == wanted


async def test_each_event_arrives_alone_and_the_stream_ends_with_the_upstreams(make_door, feed) -> None:
    live = await make_door(routes=ROUTES)
    async with live.client.stream("GET", "/events") as response:
        assert response.headers["content-type"] == "text/event-stream"
        stream = response.aiter_raw()
        for number in range(5):
            feed.put_nowait(event(number))
            await read_on(stream, event(number))
        feed.put_nowait(None)
        assert [piece async for piece in stream] == []


async def test_a_stream_that_still_sends_outlives_the_timeout_of_its_route(make_door, feed) -> None:
    live = await make_door(routes=ROUTES)
    loop = asyncio.get_running_loop()
    async with live.client.stream("GET", "/events") as response:
        stream, number, until = response.aiter_raw(), 0, loop.time() + 1.2
        while loop.time() < until:
            feed.put_nowait(event(number))
            await read_on(stream, event(number))
            number += 1
            await asyncio.sleep(0.05)  # the upstream's pace
        feed.put_nowait(None)


async def test_a_stream_that_falls_silent_is_cut_off(make_door, feed) -> None:
    live = await make_door(routes=ROUTES)
    async with live.client.stream("GET", "/events") as response:
        feed.put_nowait(event(1))
        with pytest.raises(httpx2.RemoteProtocolError):
            await response.aread()
    feed.put_nowait(None)


async def test_a_worker_that_stops_ends_the_stream_so_that_its_client_comes_again(
    given, upstreams, feed, tmp_path: Path
) -> None:
    table = tmp_path / "routes.toml"
    table.write_text(ROUTES.replace("0.5", "30.0"))
    app = create_app(GatewaySettings(**{**given, "routes_file": table}))
    async with AsyncExitStack() as running:
        live = await running.enter_async_context(served(app, protocol=ClientConnection))
        client = httpx2.AsyncClient(base_url=live.url, trust_env=False)
        async with client, client.stream("GET", "/events") as response:
            stream = response.aiter_raw()
            feed.put_nowait(event(1))
            await read_on(stream, event(1))
            async with asyncio.TaskGroup() as both:
                both.create_task(running.pop_all().aclose())
                assert [piece async for piece in stream] == []
    feed.put_nowait(None)


async def test_a_session_that_ends_ends_its_stream(make_door, feed, identity: TestIdentity, redis) -> None:
    live = await make_door(routes=ROUTES.replace("public", "required").replace("0.5", "30.0"))
    headers = {"Authorization": f"Bearer {identity.token(7, sid='ends-while-streaming')}"}
    async with live.client.stream("GET", "/events", headers=headers) as response:
        stream = response.aiter_raw()
        feed.put_nowait(event(1))
        await read_on(stream, event(1))
        await publish_end(redis, ["ends-while-streaming"], 900)
        async with asyncio.timeout(10):
            assert [piece async for piece in stream] == []
    assert (await live.client.get("/events", headers=headers)).status_code == 401
    feed.put_nowait(None)


async def test_a_stream_ends_after_its_lifetime_so_that_its_client_comes_again(make_door, feed) -> None:
    live = await make_door(routes=ROUTES.replace("0.5", "30.0"), websocket_lifetime=0.01)
    async with live.client.stream("GET", "/events") as response:
        stream = response.aiter_raw()
        feed.put_nowait(event(1))
        await read_on(stream, event(1))
        async with asyncio.timeout(10):
            assert [piece async for piece in stream] == []
    feed.put_nowait(None)
