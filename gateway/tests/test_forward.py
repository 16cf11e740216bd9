"""Bodies, statuses and faults on their way through."""

import asyncio
import hashlib

import pytest

from gateway.stages.forward import HELD
from shared.testing import LiveApp

MEGABYTE = 1 << 20
SIZES = [0, 1, 65_535, 65_536, 65_537, MEGABYTE]


def noise(size: int) -> bytes:
    """Bytes that repeat nowhere near a buffer's size."""
    return hashlib.shake_128(size.to_bytes(8, "big")).digest(size)


async def chunks(data: bytes, size: int = 50_001):
    for start in range(0, len(data), size):
        yield data[start : start + size]


@pytest.mark.parametrize("size", SIZES)
async def test_a_body_with_a_length_arrives_byte_for_byte(door: LiveApp, items, size: int) -> None:
    assert (await door.client.post("/items", content=noise(size))).status_code == 200
    assert items.last.body == noise(size)
    assert items.last.values(b"content-length") == [b"%d" % size]


@pytest.mark.parametrize("size", SIZES)
async def test_a_chunked_body_arrives_byte_for_byte(door: LiveApp, items, size: int) -> None:
    assert (await door.client.post("/items", content=chunks(noise(size)))).status_code == 200
    assert items.last.body == noise(size)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("framing", ["length", "chunked", "until close"])
async def test_an_answer_arrives_byte_for_byte(door: LiveApp, items, answer, size: int, framing: str) -> None:
    body = noise(size)

    async def script(peer) -> None:
        await peer.request()
        if framing == "length":
            await peer.send(answer(body))
        elif framing == "until close":
            await peer.send(b"HTTP/1.1 200 OK\r\n\r\n" + body)
        else:
            await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            async for piece in chunks(body):
                await peer.send(b"%x\r\n%b\r\n" % (len(piece), piece))
            await peer.send(b"0\r\n\r\n")

    items.script = script
    response = await door.client.get("/items")
    assert response.content == body
    assert response.headers.get("content-length") == (str(size) if framing == "length" else None)


@pytest.mark.parametrize("chunked", [True, False])
async def test_twenty_megabytes_each_way_at_once(door: LiveApp, items, chunked: bool) -> None:
    """The upstream answers with what it reads while it reads it."""
    body = noise(20_000_000)

    async def echo(peer) -> None:
        head = await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        async for piece in peer.body(head):
            await peer.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        await peer.send(b"0\r\n\r\n")

    items.script = echo
    sent = chunks(body, 200_000) if chunked else body
    response = await door.client.post("/items", content=sent)
    assert hashlib.sha256(response.content).digest() == hashlib.sha256(body).digest()


async def test_a_client_that_reads_slowly_holds_the_upstream_back(
    door: LiveApp, items, dial, eventually
) -> None:
    written = 0
    total = 64 * MEGABYTE

    async def script(peer) -> None:
        nonlocal written
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % total)
        while written < total:
            await peer.send(b"a" * 65_536)
            written += 65_536

    items.script = script
    wire = await dial(door.port, narrow=True)
    await wire.send(b"GET /items HTTP/1.1\r\nHost: x\r\n\r\n")
    await wire.head()
    seen = -1

    async def standing_still() -> bool:
        nonlocal seen
        before, seen = seen, written
        await asyncio.sleep(0.1)
        return before == written

    await eventually(standing_still)
    assert written < total / 2
    stood_at = written
    for _ in range(200):
        await wire.reader.readexactly(65_536)
    await eventually(lambda: written > stood_at)


async def test_an_upstream_that_reads_slowly_holds_the_client_back(
    door: LiveApp, items, answer, dial, eventually
) -> None:
    may_read = asyncio.Event()
    total = 64 * MEGABYTE
    received = 0

    async def script(peer) -> None:
        nonlocal received
        head = await peer.head()
        await may_read.wait()
        async for piece in peer.body(head):
            received += len(piece)
        await peer.send(answer())

    items.script = script
    wire = await dial(door.port)
    written = 0

    async def upload() -> None:
        nonlocal written
        await wire.send(b"POST /items HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % total)
        while written < total:
            await wire.send(b"a" * 65_536)
            written += 65_536

    sending = asyncio.create_task(upload())
    seen = -1

    async def standing_still() -> bool:
        nonlocal seen
        before, seen = seen, written
        await asyncio.sleep(0.1)
        return before == written

    await eventually(standing_still)
    assert 0 < written < total / 2
    may_read.set()
    await sending
    assert (await wire.answer())[0] == 200
    assert received == total


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_the_method_and_the_query_arrive(door: LiveApp, items, method: str) -> None:
    await door.client.request(method, "/items/5?skip=1&limit=2")
    assert items.last.line == f"{method} /items/5?skip=1&limit=2 HTTP/1.1".encode()


async def test_head_has_the_fields_of_get_and_no_body(door: LiveApp, items, answer, dial) -> None:
    items.answer = b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\nx-total-count: 3\r\n\r\n"
    wire = await dial(door.port)
    await wire.send(b"HEAD /items HTTP/1.1\r\nHost: x\r\n\r\n")
    head = await wire.head()
    assert b"content-length: 500" in head
    assert b"x-total-count: 3" in head
    items.answer = answer(b"next")
    await wire.send(b"GET /items HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await wire.answer())[2] == b"next"
    assert [request.line.split()[0] for request in items.requests] == [b"HEAD", b"GET"]


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("length", [b"", b"content-length: 0\r\n", b"content-length: 500\r\n"])
async def test_an_answer_without_a_body_leaves_the_connection_usable(
    door: LiveApp, items, answer, dial, heard, status: int, length: bytes
) -> None:
    """A 304 may say how long the body would have been (RFC 9110, section 8.6)."""
    items.answer = b'HTTP/1.1 %d X\r\netag: "a"\r\n%b\r\n' % (status, length)
    wire = await dial(door.port)
    await wire.send(b"GET /items HTTP/1.1\r\nHost: x\r\n\r\n")
    head = await wire.head()
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b'etag: "a"' in head
    items.answer = answer(b"next")
    await wire.send(b"GET /items HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await wire.answer())[2] == b"next"
    assert heard.errors == []


async def test_interim_answers_are_not_the_answer(door: LiveApp, items, answer) -> None:
    hints = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    items.answer = hints + answer(b"final")
    response = await door.client.get("/items")
    assert (response.status_code, response.text) == (200, "final")
    assert "link" not in response.headers


@pytest.mark.parametrize(
    "status", [200, 201, 202, 206, 299, 301, 400, 401, 404, 409, 418, 422, 500, 502, 503, 599]
)
async def test_a_status_is_passed_on_with_its_body(door: LiveApp, items, answer, heard, status: int) -> None:
    items.answer = answer(
        b'{"code":"theirs"}', b"HTTP/1.1 %d X\r\ncontent-type: application/problem+json\r\n" % status
    )
    response = await door.client.get("/items")
    assert (response.status_code, response.content) == (status, b'{"code":"theirs"}')
    assert heard.errors == []


async def test_an_error_that_comes_before_the_upload_ends_is_the_answer(
    door: LiveApp, items, answer, dial
) -> None:
    async def script(peer) -> None:
        await peer.head()
        await peer.send(answer(b"no", b"HTTP/1.1 403 Forbidden\r\n"))
        await peer.until_closed()

    items.script = script
    wire = await dial(door.port)
    await wire.send(b"POST /items HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + b"a" * HELD)
    status, _, body = await wire.answer()
    assert (status, body) == (403, b"no")


async def test_an_answer_says_how_long_the_gateway_and_the_upstream_took(door: LiveApp, items) -> None:
    headers = (await door.client.get("/items")).headers
    gateway, upstream = (float(part.partition("dur=")[2]) for part in headers["server-timing"].split(", "))
    assert gateway >= 0
    assert upstream > 0
    assert gateway + upstream == pytest.approx(float(headers["x-process-time"]) * 1000, abs=0.01)
    assert "server-timing" not in (await door.client.get("/mine")).headers, "nobody was asked"
