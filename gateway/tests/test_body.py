"""Request bodies: their limit, their framing, and clients that do not send what they announced."""

import asyncio
from typing import Any

import pytest

from gateway.exceptions import LengthAmbiguous
from gateway.stages.forward import HELD
from gateway.upstreams import Upstream
from gateway.wire.request import framing
from shared.testing import LiveApp, TestIdentity


async def test_a_body_at_the_limit_passes_and_one_byte_more_does_not(door: LiveApp, items) -> None:
    assert (await door.client.post("/items/small", content=b"a" * 1000)).status_code == 200
    response = await door.client.post("/items/small", content=b"a" * 1001)
    assert response.status_code == 413
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "content_too_large"
    assert response.json()["limit"] == 1000
    assert len(items.requests) == 1


async def test_an_announced_length_above_the_limit_is_refused_before_a_byte_of_it(
    door: LiveApp, items, dial
) -> None:
    wire = await dial(door.port)
    await wire.send(b"POST /items/small HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999\r\n\r\n")
    assert (await wire.answer())[0] == 413
    assert items.requests == []


@pytest.mark.parametrize("size", [1001, 1_000_000])
async def test_a_chunked_body_above_the_limit_is_refused_whatever_its_size(
    door: LiveApp, items, size: int
) -> None:
    async def body():
        yield b"a" * size

    response = await door.client.post("/items/small", content=body())
    assert response.status_code == 413
    assert items.requests == []


@pytest.mark.parametrize(
    "way", ["HTTP/1.1\r\nConnection: close", "HTTP/1.0", "HTTP/1.1\r\nExpect: 100-continue"]
)
async def test_a_client_that_still_sends_reads_the_refusal_and_meets_no_reset(
    door: LiveApp, items, dial, way: str
) -> None:
    wire = await dial(door.port)
    await wire.send(f"POST /items/small {way}\r\nHost: x\r\nContent-Length: 200000\r\n\r\n".encode())
    assert (await wire.answer())[0] == 413
    assert await wire.rest() == b""
    for _ in range(20):
        await wire.send(b"a" * 10_000)
    await wire.send(b"GET /items HTTP/1.1\r\nHost: x\r\n\r\n")
    assert items.requests == []


async def test_a_refused_body_that_came_whole_is_followed_by_no_other_request(
    door: LiveApp, items, dial
) -> None:
    """HTTP/1.0 has no pipelining: the gateway says that it closes, and does."""
    wire = await dial(door.port)
    kept = b" HTTP/1.0\r\nConnection: keep-alive\r\n"
    refused = b"POST /items/small" + kept + b"Content-Length: 1001\r\n\r\n" + b"a" * 1001
    await wire.send(refused + b"GET /items" + kept + b"\r\n")
    status, _, body = await wire.answer()
    assert (status, body[-1:]) == (413, b"}")
    assert await wire.rest() == b""
    assert items.requests == []


async def test_a_body_that_grows_above_the_limit_midway_is_413_in_full(
    door: LiveApp, items, dial, eventually, heard
) -> None:
    """By then the upstream has a part of it, and must not take that for all."""
    began: list[bytes] = []
    whole: list[bytes] = []

    async def script(peer) -> None:
        head = await peer.head()
        began.append(head)
        whole.append(b"".join([piece async for piece in peer.body(head)]))

    items.script = script
    wire = await dial(door.port)
    head = b"POST /items/medium HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"%x\r\n%b\r\n" % (HELD, b"a" * HELD)
    await wire.send(head + chunk)
    await eventually(lambda: began)
    await wire.send(chunk)
    status, _, body = await wire.answer()
    assert status == 413
    assert body.endswith(b"}")
    await eventually(lambda: items.closed)
    assert whole == []
    assert heard.errors == []
    await wire.send(b"0\r\n\r\nGET /items HTTP/1.1\r\nHost: x\r\n\r\n")
    items.script = items.keep_answering
    assert (await wire.answer())[0] == 200


async def test_bodies_behind_the_same_fields_are_each_framed_limited_and_passed_on_whole(
    door: LiveApp, items, dial
) -> None:
    wire = await dial(door.port)
    for method, body in [
        (b"POST", b"a" * 900),
        (b"PUT", b"bc"),
        (b"POST", b""),
        (b"PATCH", b"GET / HTTP/1.1"),
    ]:
        await wire.send(
            b"%b /items/small HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (method, len(body), body)
        )
        assert (await wire.answer())[0] == 200
        assert (items.last.line.split(b" ")[0], items.last.body) == (method, body)
        assert items.last.values(b"content-length") == [b"%d" % len(body)]
    await wire.send(b"POST /items/small HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n" + b"d" * 1001)
    assert (await wire.answer())[0] == 413
    await wire.send(b"POST /items/small HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\ne")
    await wire.send(b"f")
    assert (await wire.answer())[0] == 200
    assert items.last.body == b"ef"
    assert len(items.requests) == 5


SMUGGLED = b"GET /office HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 4\r\nContent-Length: 5\r\n",
        b"Content-Length: 4\r\nContent-Length: 4\r\n",
        b"Content-Length: 4, 4\r\n",
        b"Content-Length: +4\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 0x4\r\n",
        b"Content-Length: 4 4\r\n",
        b"Content-Length:\r\n",
        b"Content-Length : 4\r\n",
        b"Content-Length: 99999999999999999999999\r\n",
        b"Transfer-Encoding: gzip\r\n",
        b"Transfer-Encoding: identity\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding: chunked, gzip\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Transfer-Encoding:\x0bchunked\r\n",
        b"X: y\r\n Transfer-Encoding: chunked\r\n",
        b"X: y\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n",
    ],
)
async def test_a_body_whose_end_is_not_clear_is_refused_and_nothing_of_it_goes_on(
    door: LiveApp, items, dial, heard, framing: bytes
) -> None:
    wire = await dial(door.port)
    await wire.send(b"POST /items HTTP/1.1\r\nHost: x\r\n" + framing + b"\r\n0\r\n\r\n" + SMUGGLED)
    status, head, _ = await wire.answer()
    assert status == 400
    assert b"application/problem+json" in head
    assert items.requests == []
    assert heard.errors == []


@pytest.mark.parametrize(
    "fields",
    [
        [(b"content-length", b"4"), (b"content-length", b"4")],
        [(b"content-length", b"+4")],
        [(b"content-length", b"")],
        [(b"content-length", b"4"), (b"transfer-encoding", b"chunked")],
        [(b"transfer-encoding", b"chunked"), (b"content-length", b"0")],
        [(b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")],
        [(b"transfer-encoding", b"chunked, chunked")],
    ],
)
def test_framing_is_judged_here_too_and_not_left_to_the_parser(fields) -> None:
    with pytest.raises(LengthAmbiguous):
        framing(fields)


@pytest.mark.parametrize("size", [b"-1", b"0x1", b"1;\x00", b"g", b"", b" 1", b"ffffffffffffffffff"])
async def test_a_malformed_chunk_is_400(door: LiveApp, items, dial, size: bytes) -> None:
    wire = await dial(door.port)
    head = b"POST /items HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    await wire.send(head + size + b"\r\na\r\n0\r\n\r\n" + SMUGGLED)
    assert (await wire.answer())[0] == 400
    assert items.requests == []


async def test_what_follows_a_body_is_the_next_request_and_not_a_part_of_it(
    door: LiveApp, items, dial
) -> None:
    wire = await dial(door.port)
    first = b"POST /items HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
    await wire.send(first + SMUGGLED + first.replace(b"abc", b"def"))
    assert [(await wire.answer())[0] for _ in range(3)] == [200, 401, 200]
    assert [request.body for request in items.requests] == [b"abc", b"def"]


async def test_expect_100_continue_is_answered_once_the_caller_may_come_in(
    door: LiveApp, items, dial, identity: TestIdentity
) -> None:
    wire = await dial(door.port)
    token = identity.token().encode()
    head = b"POST /mine HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n"
    await wire.send(head + b"Authorization: Bearer " + token + b"\r\n\r\n")
    assert await wire.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
    await wire.send(b"body")
    assert (await wire.answer())[0] == 200
    assert items.last.body == b"body"
    assert items.last.values(b"expect") == []


@pytest.mark.parametrize(
    ("path", "length", "status"),
    [(b"/mine", b"4", 401), (b"/items/small", b"1001", 413), (b"/no", b"4", 404)],
)
async def test_expect_100_continue_is_refused_without_asking_for_the_body(
    door: LiveApp, items, dial, path: bytes, length: bytes, status: int
) -> None:
    wire = await dial(door.port)
    head = b"POST %b HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %b\r\n\r\n"
    await wire.send(head % (path, length))
    assert (await wire.answer())[0] == status
    assert items.requests == []


async def test_a_body_that_does_not_begin_is_408_and_ends_the_connection(
    door: LiveApp, items, dial, heard
) -> None:
    wire = await dial(door.port)
    await wire.send(b"POST /impatient HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n")
    status, head, body = await wire.answer()
    assert status == 408
    assert b"connection: close" in head
    assert b'"code":"body_timeout"' in body
    assert await wire.rest() == b""
    assert items.requests == []
    assert heard.errors == []


@pytest.mark.parametrize("framing", [b"Content-Length: 100000", b"Transfer-Encoding: chunked"])
async def test_a_body_that_stands_still_midway_is_the_clients_fault(
    door: LiveApp, items, dial, eventually, heard, framing: bytes
) -> None:
    wire = await dial(door.port)
    beginning = b"%x\r\n%b\r\n" % (HELD, b"a" * HELD)
    await wire.send(b"POST /impatient HTTP/1.1\r\nHost: x\r\n" + framing + b"\r\n\r\n" + beginning)
    assert (await wire.answer())[0] == 408
    await eventually(lambda: items.closed)
    assert items.requests == []
    assert heard.errors == []


async def test_a_body_that_drips_is_408_once_its_time_is_over(door: LiveApp, items, dial, heard) -> None:
    wire = await dial(door.port)
    await wire.send(b"POST /impatient HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")

    async def drip() -> None:
        while True:
            await wire.send(b"1\r\na\r\n")
            await asyncio.sleep(0.02)

    dripping = asyncio.create_task(drip())
    assert (await wire.answer())[0] == 408
    dripping.cancel()
    assert items.requests == []
    assert heard.errors == []


@pytest.mark.parametrize("framing", [b"Content-Length: 1000", b"Transfer-Encoding: chunked"])
async def test_bodies_that_drip_hold_no_connection_of_the_upstream(
    make_door, items, dial, framing: bytes
) -> None:
    """Whoever sends one octet each would otherwise keep all others out."""
    door = await make_door(upstream_connections=2)
    for _ in range(4):
        wire = await dial(door.port)
        await wire.send(b"POST /items HTTP/1.1\r\nHost: x\r\n" + framing + b"\r\n\r\n1\r\na\r\n")
    assert (await door.client.get("/items")).status_code == 200
    assert (await door.client.post("/items", content=b"b" * 1000)).status_code == 200
    assert [request.body for request in items.requests] == [b"", b"b" * 1000]


async def test_a_long_body_is_sent_on_before_its_end(door: LiveApp, items, dial, eventually) -> None:
    began: list[bytes] = []

    async def script(peer) -> None:
        began.append(await peer.head())
        await peer.until_closed()

    items.script = script
    wire = await dial(door.port)
    head = b"POST /items HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"
    await wire.send(head + b"a" * (HELD - 1))
    assert (await door.client.get("/mine")).status_code == 401
    assert began == []
    await wire.send(b"a")
    await eventually(lambda: began)


async def test_long_bodies_that_drip_hold_half_of_the_connections_at_the_most(make_door, items, dial) -> None:
    door = await make_door(upstream_connections=4)
    head = b"POST /items HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"
    slow = [await dial(door.port) for _ in range(3)]
    for wire in slow:
        await wire.send(head + b"a" * HELD)
    done, waiting = await asyncio.wait(
        [asyncio.create_task(wire.answer()) for wire in slow], return_when=asyncio.FIRST_COMPLETED
    )
    status, fields, body = done.pop().result()
    assert (status, b'"code":"too_many_uploads"' in body, b"retry-after: 1" in fields) == (503, True, True)
    assert (await door.client.post("/items", content=b"b" * 1000)).status_code == 200
    for wire in slow:
        await wire.send(b"a" * (100_000 - HELD))
    assert [(await one)[0] for one in waiting] == [200, 200]
    for wire in slow[:2]:
        wire.reset()
    assert (await door.client.post("/items", content=b"c" * 200_000)).status_code == 200


async def test_a_long_body_whose_upstream_refuses_at_once_is_read_to_its_end(
    make_door, dial, monkeypatch
) -> None:
    def closed(*given: Any, **named: Any) -> Upstream:
        upstream = Upstream(*given, **named)
        for replica in upstream.replicas:
            replica.pool.begin_closing()
        return upstream

    monkeypatch.setattr("gateway.lifespan.Upstream", closed)
    door = await make_door()
    wire = await dial(door.port)
    head = b"POST /items HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"
    for _ in range(2):
        await wire.send(head + b"a" * HELD)
        assert (await wire.answer())[0] == 503
        await wire.send(b"a" * (100_000 - HELD))


@pytest.mark.parametrize("leave", ["reset", "refused"])
async def test_an_upload_that_breaks_off_makes_room_for_another(
    make_door, items, dial, eventually, leave
) -> None:
    door = await make_door(upstream_connections=2)
    head = b"POST /items/medium HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"%x\r\n%b\r\n" % (HELD, b"a" * HELD)
    for peers in range(1, 4):
        wire = await dial(door.port)
        await wire.send(head + chunk)
        await eventually(lambda peers=peers: items.peers == peers)
        if leave == "reset":
            wire.reset()
        else:
            await wire.send(chunk)
            assert (await wire.answer())[0] == 413
        await eventually(lambda peers=peers: items.closed == peers)
    assert (await door.client.post("/items", content=b"c" * 200_000)).status_code == 200
