"""Upstreams that refuse, hang, lie or die: what the client is told, and that it passes."""

import asyncio

import httpx2
import pytest

from shared.testing import LiveApp

GARBAGE = [
    b"this is no HTTP\r\n\r\n",
    b"HTTP/1.1 two hundred\r\n\r\n",
    b"HTTP/9.9 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nx: a\x01b\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nx: a\x00b\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    b"HTTP/1.1 700 Beyond\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nx: " + b"a" * 100_000 + b"\r\n\r\n",
    b"",
]


def problem_of(response: httpx2.Response) -> str:
    """The code; the document names nothing that is not public."""
    assert response.headers["content-type"] == "application/problem+json"
    known = {"type", "title", "status", "instance", "code", "request_id", "upstream"}
    assert set(response.json()) <= known
    assert response.json()["request_id"] == response.headers["x-request-id"]
    assert response.json()["status"] == response.status_code
    return response.json()["code"]


async def test_a_refused_connection_is_503_and_says_when_to_come_back(
    make_door, unused_tcp_port: int
) -> None:
    door = await make_door(items_url=f"http://127.0.0.1:{unused_tcp_port}")
    response = await door.client.post("/items", content=b"body")
    assert response.status_code == 503
    assert problem_of(response) == "upstream_unavailable"
    assert response.headers["retry-after"] == "1"
    assert str(unused_tcp_port) not in response.text


async def test_an_unknown_host_is_503(make_door) -> None:
    door = await make_door(items_url="http://nowhere.invalid:80")
    response = await door.client.get("/items")
    assert problem_of(response) == "upstream_unavailable"
    assert "nowhere" not in response.text


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_upstream_that_hangs_is_504(door: LiveApp, items, heard, eventually, method: str) -> None:
    async def script(peer) -> None:
        items.requests.append(await peer.request())
        await peer.until_closed()

    items.script = script
    response = await door.client.request(method, "/impatient")
    assert response.status_code == 504
    assert problem_of(response) == "upstream_timeout"
    await eventually(lambda: items.closed)
    assert len(items.requests) == 1
    assert heard.errors == []


async def test_an_upstream_that_does_not_read_a_large_body_is_504_and_not_the_clients_fault(
    door: LiveApp, items
) -> None:
    async def script(peer) -> None:
        items.requests.append(await peer.head())
        await asyncio.Event().wait()

    items.script = script
    response = await door.client.post("/impatient", content=b"a" * 60_000_000)
    assert response.status_code == 504


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_garbage_is_502_and_none_of_it_comes_through(
    door: LiveApp, items, heard, garbage: bytes
) -> None:
    async def script(peer) -> None:
        await peer.request()
        await peer.send(garbage)

    items.script = script
    response = await door.client.get("/items")
    assert response.status_code == 502
    assert problem_of(response) == "upstream_failed"
    assert heard.errors == []


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 5000000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffff\r\n",
    ],
    ids=["length", "chunked"],
)
async def test_an_answer_that_is_cut_is_cut_for_the_client_too(
    door: LiveApp, items, dial, head: bytes
) -> None:
    async def script(peer) -> None:
        await peer.request()
        await peer.send(head + b"a" * 300_000)

    items.script = script
    with pytest.raises(httpx2.RemoteProtocolError):
        await door.client.get("/items")
    wire = await dial(door.port)
    await wire.send(b"GET /items HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await wire.head()).startswith(b"HTTP/1.1 200")
    cut = await wire.rest()
    assert b"aaaa" in cut
    assert not cut.endswith(b"0\r\n\r\n")


async def test_a_short_answer_that_is_cut_is_502(door: LiveApp, items) -> None:
    """It was awaited whole, so that there still is a status to give."""

    async def script(peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")

    items.script = script
    assert problem_of(await door.client.get("/items")) == "upstream_failed"


async def test_an_answer_that_stands_still_midway_is_cut(door: LiveApp, items, eventually) -> None:
    async def script(peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 500000\r\n\r\n" + b"a" * 100_000)
        await peer.until_closed()

    items.script = script
    with pytest.raises(httpx2.RemoteProtocolError):
        await door.client.get("/impatient")
    await eventually(lambda: items.closed)


async def test_an_upstream_that_dies_and_comes_back_is_used_again(
    door: LiveApp, items, eventually, heard
) -> None:
    assert (await door.client.post("/items", content=b"before")).status_code == 200
    await items.stop()
    assert problem_of(await door.client.post("/items", content=b"meanwhile")) == "upstream_unavailable"
    await items.start()
    assert (await door.client.post("/items", content=b"after")).status_code == 200
    assert [request.body for request in items.requests] == [b"before", b"after"]
    assert heard.errors == []


async def test_one_upstream_that_is_down_takes_no_other_along(
    make_door, unused_tcp_port: int, answer, upstreams
) -> None:
    routes = '[defaults]\nmethods=["GET"]\ntimeout=5.0\nbody_limit=1\n'
    routes += '[[route]]\nprefix="/a"\nupstream="users"\nauth="public"\n'
    routes += '[[route]]\nprefix="/b"\nupstream="ml-predict"\nauth="public"\n'
    door = await make_door(routes=routes, users_url=f"http://127.0.0.1:{unused_tcp_port}")
    upstreams.predict.answer = answer(b"alive")
    assert (await door.client.get("/a")).status_code == 503
    assert (await door.client.get("/b")).text == "alive"


async def test_more_requests_than_connections_wait_their_turn_and_then_are_503(
    make_door, items, answer, eventually
) -> None:
    may_answer = items.hold(answer())
    door = await make_door(upstream_connections=2, connect_timeout=0.2)
    first = [asyncio.create_task(door.client.get("/items")) for _ in range(2)]
    await eventually(lambda: len(items.requests) == 2)
    assert problem_of(await door.client.get("/items")) == "upstream_unavailable"
    may_answer.set()
    assert [(await task).status_code for task in first] == [200, 200]
    assert (await door.client.get("/items")).status_code == 200
    assert items.peers == 2
