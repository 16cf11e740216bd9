"""Clients that leave: the work for them ends, and nobody calls it an error."""

import asyncio

import pytest
import pytest_asyncio

from gateway.forward import Forwarder
from gateway.route_table import Route
from gateway.upstream import UpstreamPool
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
    if sent:
        await eventually(lambda: items.peers)
    wire.reset()
    await eventually(lambda: heard.named("client_gone"))
    await eventually(lambda: heard.named("request"))
    if sent:
        await eventually(lambda: items.closed)
    assert items.requests == []
    assert heard.errors == []


async def test_who_leaves_takes_no_other_request_along(
    door: LiveApp, items, dial, eventually, answer, heard
) -> None:
    may_answer = asyncio.Event()

    async def script(peer) -> None:
        while True:
            items.requests.append(await peer.request())
            await may_answer.wait()
            await peer.send(answer(b"late"))

    items.script = script
    leaver = await dial(door.port)
    stayers = [asyncio.create_task(door.client.get("/items")) for _ in range(5)]
    await leaver.send(GET)
    await eventually(lambda: len(items.requests) == 6)
    leaver.reset()
    await eventually(lambda: heard.named("client_gone"))
    may_answer.set()
    assert [(await stayer).text for stayer in stayers] == ["late"] * 5
    assert heard.errors == []


async def test_a_slow_answer_to_a_patient_client_is_not_cut_by_the_watch(
    door: LiveApp, items, dial, eventually, answer, heard
) -> None:
    """Long enough for the watch to begin; then the connection is used again."""
    may_answer = asyncio.Event()

    async def script(peer) -> None:
        while True:
            items.requests.append(await peer.request())
            await may_answer.wait()
            await peer.send(answer(b"done"))

    items.script = script
    wire = await dial(door.port)
    for number in range(3):
        await wire.send(b"POST /items HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody")
        await eventually(lambda: len(items.requests) == number + 1)  # noqa: B023 - awaited in the same round
        await eventually(lambda: "disconnect-watch" in {task.get_name() for task in asyncio.all_tasks()})
        may_answer.set()
        assert (await wire.answer())[2] == b"done"
        may_answer.clear()
    await eventually(lambda: "disconnect-watch" not in {task.get_name() for task in asyncio.all_tasks()})
    assert heard.errors == []


@pytest_asyncio.fixture
async def forward(items):
    """`forward(receive, send)`: one GET through the forwarder alone, from a client without an address."""
    pool = UpstreamPool("items", items.url)
    route = Route(prefix="/items", methods=["GET"], upstream="items", auth="public", timeout=20, body_limit=0)
    scope = {"method": "GET", "raw_path": b"/items", "query_string": b"", "scheme": "http", "client": None}

    async def forward(receive, send) -> None:
        await Forwarder({"items": pool}).forward(route, None, {**scope, "headers": []}, receive, send)

    yield forward
    await pool.close(grace=0)


async def never(*_) -> None:
    await asyncio.Event().wait()


async def test_a_cancellation_that_is_not_the_clients_is_not_swallowed(
    items, eventually, hanging, forward
) -> None:
    """The server's own, when a graceful stop has lasted too long."""
    began = hanging()
    forwarding = asyncio.create_task(forward(never, never))
    await eventually(lambda: began)
    assert b"x-forwarded-for" not in began[0]
    forwarding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await forwarding
    await eventually(lambda: items.closed)


async def test_who_forwards_for_a_client_that_left_is_not_cancelled_any_more(
    items, eventually, hanging, forward
) -> None:
    hanging()

    async def receive():
        return {"type": "http.disconnect"}

    await forward(receive, never)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await eventually(lambda: items.closed)


async def test_an_answer_that_cannot_be_given_ends_the_upstreams_work(
    items, eventually, hanging, forward
) -> None:
    hanging(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\nbegun")

    async def send(message) -> None:
        raise OSError(message["type"])

    with pytest.raises(OSError, match=r"http\.response\.start"):
        await forward(never, send)
    await eventually(lambda: items.closed)
