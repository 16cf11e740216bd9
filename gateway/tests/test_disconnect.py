"""Clients that leave: the work for them ends, and nobody calls it an error."""

import asyncio

import pytest

from gateway.api_keys import EXCHANGE
from gateway.stages.forward import HELD
from shared.testing import LiveApp

GET = b"GET /items HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def hanging(items):
    """Makes the upstream read a request and answer nothing, or this much; gives what it has begun to see."""

    def hang(first: bytes = b"") -> list[bytes]:
        began: list[bytes] = []

        async def script(peer) -> None:
            began.append((await peer.request()).head)
            if first:
                await peer.send(first)
            await peer.until_closed()

        items.script = script
        return began

    return hang


@pytest.mark.parametrize(
    "request_bytes",
    [
        GET,
        b"POST /items HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody",
        b"POST /items HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    ],
    ids=["nothing", "length", "chunked"],
)
@pytest.mark.parametrize("leave", ["reset", "close"])
async def test_a_client_that_leaves_while_it_waits_ends_the_upstreams_work(
    door: LiveApp, items, dial, eventually, hanging, heard, request_bytes: bytes, leave: str
) -> None:
    began = hanging()
    wire = await dial(door.port)
    await wire.send(request_bytes)
    await eventually(lambda: began)
    assert items.closed == 0
    wire.reset() if leave == "reset" else wire.writer.close()
    await eventually(lambda: items.closed)
    await eventually(lambda: heard.named("client_gone"))
    await eventually(lambda: heard.named("request"))
    assert heard.named("request")[0]["status"] == "aborted"
    assert heard.errors == []


async def test_a_client_that_leaves_after_a_streamed_upload_does_so_too(
    door: LiveApp, items, dial, eventually, hanging, heard
) -> None:
    began = hanging()
    wire = await dial(door.port)
    await wire.send(b"POST /items HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n")
    for _ in range(20):
        await wire.send(b"a" * 100_000)
    await eventually(lambda: began)
    wire.reset()
    await eventually(lambda: items.closed)
    await eventually(lambda: heard.named("client_gone"))
    assert heard.errors == []


async def test_a_client_that_leaves_while_it_reads_ends_the_upstreams_work(
    door: LiveApp, items, dial, eventually, hanging, heard
) -> None:
    hanging(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" + b"a" * 50_000)
    wire = await dial(door.port)
    await wire.send(GET)
    await wire.head()
    assert items.closed == 0
    wire.reset()
    await eventually(lambda: items.closed)
    await eventually(lambda: heard.named("client_gone"))
    assert heard.errors == []


async def test_a_client_that_leaves_a_full_stream_ends_the_upstreams_work(
    door: LiveApp, items, dial, eventually, heard
) -> None:
    async def script(peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            await peer.send(b"10000\r\n" + b"a" * 65_536 + b"\r\n")

    items.script = script
    wire = await dial(door.port, narrow=True)
    await wire.send(GET)
    await wire.head()
    wire.reset()
    await eventually(lambda: items.closed)
    await eventually(lambda: heard.named("request"))
    assert heard.errors == []


@pytest.mark.parametrize("sent", [b"", b"a", b"a" * 100_000])
async def test_a_client_that_leaves_midway_through_its_upload_leaves_no_whole_request(
    door: LiveApp, items, dial, eventually, heard, sent: bytes
) -> None:
    wire = await dial(door.port)
    await wire.send(b"POST /items HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + sent)
    if len(sent) > HELD:
        await eventually(lambda: items.peers)
    wire.reset()
    await eventually(lambda: heard.named("client_gone"))
    await eventually(lambda: heard.named("request"))
    if len(sent) > HELD:
        await eventually(lambda: items.closed)
    assert items.requests == []
    assert heard.errors == []


async def test_who_leaves_takes_no_other_request_along(
    door: LiveApp, items, dial, eventually, answer, heard
) -> None:
    may_answer = items.hold(answer(b"late"))
    leaver = await dial(door.port)
    stayers = [asyncio.create_task(door.client.get("/items")) for _ in range(5)]
    await leaver.send(GET)
    await eventually(lambda: len(items.requests) == 6)
    leaver.reset()
    await eventually(lambda: heard.named("client_gone"))
    may_answer.set()
    assert [(await stayer).text for stayer in stayers] == ["late"] * 5
    assert heard.errors == []


async def test_a_connection_is_used_again_after_slow_answers(
    door: LiveApp, items, dial, eventually, answer, heard
) -> None:
    may_answer = asyncio.Event()

    async def script(peer) -> None:
        while True:
            items.requests.append(await peer.request())
            await may_answer.wait()
            may_answer.clear()
            await peer.send(answer(b"done"))

    items.script = script
    wire = await dial(door.port)
    for number in range(3):
        await wire.send(b"POST /items HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody")
        await eventually(lambda: len(items.requests) == number + 1)  # noqa: B023 - awaited in the same round
        may_answer.set()
        assert (await wire.answer())[2] == b"done"
    assert items.peers == 1
    assert heard.errors == []


async def test_a_client_that_leaves_while_its_key_is_exchanged_leaves_nothing_behind(
    door: LiveApp, users, items, dial, eventually, heard, monkeypatch
) -> None:
    monkeypatch.setattr("gateway.api_keys.TIMEOUT", 20.0)  # or a busy machine answers before the client goes

    async def script(peer) -> None:
        users.requests.append(await peer.request())
        await peer.until_closed()

    users.script = script
    wire = await dial(door.port)
    await wire.send(b"GET /mine HTTP/1.1\r\nHost: x\r\nX-API-Key: never-seen\r\n\r\n")
    await eventually(lambda: [it for it in users.requests if it.target == EXCHANGE])
    wire.reset()
    await eventually(lambda: heard.named("request"))
    assert heard.named("request")[0]["status"] == "aborted"
    assert heard.named("client_gone")
    assert items.requests == []
    assert heard.errors == []
