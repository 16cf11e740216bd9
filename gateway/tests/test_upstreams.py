"""Upstreams with several replicas, over TLS, and behind names."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.tests.certificates import certified, presenting
from gateway.tests.conftest import TABLE, answer_of
from gateway.tests.conftest import Upstream as Scripted
from gateway.upstreams import Upstream


@pytest_asyncio.fixture
async def replicas() -> AsyncIterator[list[Scripted]]:
    """Two, and each answers with its number."""
    made = [Scripted(), Scripted()]
    for number, replica in enumerate(made):
        replica.answer = answer_of(b"%d" % number)
        await replica.start()
    yield made
    for replica in made:
        with contextlib.suppress(Exception):
            await replica.stop()


def urls(replicas: list[Scripted]) -> str:
    return ",".join(replica.url for replica in replicas)


async def test_requests_go_to_all_replicas(make_door, replicas) -> None:
    door = await make_door(items_url=urls(replicas))
    answers = Counter([(await door.client.get("/items")).text for _ in range(60)])
    assert set(answers) == {"0", "1"}
    assert min(answers.values()) > 5


async def test_a_replica_that_is_busy_gets_less(make_door, replicas, eventually) -> None:
    hold = asyncio.Event()

    async def script(peer) -> None:
        replicas[0].requests.append(await peer.request())
        await hold.wait()
        await peer.send(replicas[0].answer)

    replicas[0].script = script
    door = await make_door(items_url=urls(replicas))

    async def one_hangs() -> bool:
        stuck.append(asyncio.create_task(door.client.get("/items")))
        await asyncio.sleep(0.02)
        return bool(replicas[0].requests)

    stuck: list[asyncio.Task] = []
    await eventually(one_hangs)
    assert {(await door.client.get("/items")).text for _ in range(20)} == {"1"}
    hold.set()
    await asyncio.gather(*stuck)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_replica_that_is_down_is_passed_over_and_nobody_notices(
    make_door, replicas, method: str
) -> None:
    door = await make_door(items_url=urls(replicas))
    await replicas[0].stop()
    for _ in range(30):
        response = await door.client.request(method, "/items")
        assert (response.status_code, response.text) == (200, "1")


async def test_a_replica_that_dies_with_a_request_takes_only_what_may_not_be_repeated(
    make_door, replicas
) -> None:
    async def die(peer) -> None:
        replicas[0].requests.append(await peer.request())
        peer.writer.transport.abort()

    replicas[0].script = die
    door = await make_door(items_url=urls(replicas))
    for _ in range(20):
        assert (await door.client.get("/items")).text == "1"
    assert 1 <= len(replicas[0].requests) <= 3, "it is passed over for a growing while"

    posts = [(await door.client.post("/items", content=b"x")).status_code for _ in range(20)]
    assert set(posts) <= {200, 502}


async def test_a_request_that_two_replicas_have_broken_is_not_repeated_again(make_door, replicas) -> None:
    def dies(replica: Scripted):
        async def die(peer) -> None:
            replica.requests.append(await peer.request())
            peer.writer.transport.abort()

        return die

    for replica in replicas:
        replica.script = dies(replica)
    door = await make_door(items_url=urls(replicas))
    answer = await door.client.get("/items")
    assert (answer.status_code, answer.json()["code"]) == (502, "upstream_failed")
    assert sum(len(replica.requests) for replica in replicas) == 2


async def test_a_replica_that_takes_requests_and_answers_none_is_passed_over(make_door, replicas) -> None:
    async def hang(peer) -> None:
        replicas[0].requests.append(await peer.request())
        await asyncio.Event().wait()

    replicas[0].script = hang
    door = await make_door(items_url=urls(replicas))
    answers = Counter([(await door.client.get("/impatient")).status_code for _ in range(60)])
    assert 1 <= answers[504] <= 3
    assert answers[200] + answers[504] == 60


async def test_all_replicas_down_is_503_and_one_that_returns_is_used(make_door, replicas, eventually) -> None:
    door = await make_door(items_url=urls(replicas))
    for replica in replicas:
        await replica.stop()
    assert (await door.client.get("/items")).status_code == 503
    await replicas[1].start()

    async def served() -> bool:
        return (await door.client.get("/items")).text == "1"

    await eventually(served)


async def test_an_ejection_grows_and_ends_with_an_answer() -> None:
    upstream = Upstream("gems", ["http://127.0.0.1:1", "http://127.0.0.1:2"])
    one, other = upstream.replicas
    other.ejected_until = float("inf")
    pauses = []
    for _ in range(10):
        one.ejected_until = 0.0
        assert upstream.pick() is one
        one.failed(0.0)
        pauses.append(one.ejected_until)
    assert pauses[:4] == [0.5, 1.0, 2.0, 4.0]
    assert pauses[-1] == 30.0
    one.ejected_until, other.ejected_until = float("inf"), 0.0
    assert {upstream.pick() for _ in range(20)} == {other}
    other.ejected_until = float("inf")
    assert upstream.pick([other]) is one
    await upstream.close(grace=0)


async def test_requests_that_fail_with_a_replica_are_one_failure() -> None:
    upstream = Upstream("gems", ["http://127.0.0.1:1", "http://127.0.0.1:2"])
    one, other = upstream.replicas
    other.ejected_until = float("inf")
    for _ in range(16):
        one.failed(0.0)
    assert (one.failures, one.ejected_until) == (1, 0.5)
    assert upstream.pick() is one
    for _ in range(16):
        one.failed(0.0)
    assert (one.failures, one.ejected_until) == (2, 1.0)
    await upstream.close(grace=0)


async def test_the_table_declares_replicas_and_a_variable_replaces_them(make_door, replicas) -> None:
    table = TABLE
    table += f'[[upstream]]\nname = "gems"\nreplicas = ["{replicas[0].url}"]\nconnections = 3\n'
    table += '[[route]]\npath = "/gems"\nupstream = "gems"\nauth = "public"\n'
    table += f'[[upstream]]\nname = "items"\nreplicas = ["{replicas[1].url}"]\n'
    door = await make_door(routes=table)
    assert (await door.client.get("/gems")).text == "0"
    assert (await door.client.get("/items")).text == "ok", "given by a setting"


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def https_table(serve: Serve, own: Path | None, trusted: Path | None) -> AsyncIterator[str]:
    """A table whose route leads to `serve`, over TLS if it has a certificate of its own."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=presenting(own) if own else None)
    port = server.sockets[0].getsockname()[1]
    table = TABLE + "[[route]]\n"
    table += 'path = "/gems"\nupstream = "gems"\nauth = "public"\n[[upstream]]\nname = "gems"\n'
    table += f'replicas = ["https://localhost:{port}"]\n'
    try:
        yield table + (f'ca_file = "{trusted}"\n' if trusted else "")
    finally:
        server.close()


async def serve_much(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(answer_of(b"private" * 10_000))
    writer.close()


@pytest.mark.parametrize(
    ("name", "days", "trusted", "status"),
    [
        pytest.param("localhost", 2, True, 200, id="good"),
        pytest.param("localhost", 2, False, 503, id="signed-by-nobody-known"),
        pytest.param("localhost", 1, True, 503, id="expired"),
        pytest.param("other.example", 2, True, 503, id="of-another-name"),
    ],
)
async def test_an_upstream_over_tls_is_verified(
    make_door, tmp_path: Path, name: str, days: int, trusted: bool, status: int
) -> None:
    certificate = certified(tmp_path / "own.pem", name, days)
    async with https_table(serve_much, certificate, certificate if trusted else None) as table:
        door = await make_door(routes=table)
        for _ in range(3):
            response = await door.client.get("/gems")
            assert response.status_code == status
            assert (response.content == b"private" * 10_000) is (status == 200)


@pytest.mark.parametrize("silent", [True, False], ids=["silent", "plain-http"])
async def test_a_port_without_tls_behind_https_is_unavailable(make_door, silent: bool) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        if silent:
            await reader.read()
        writer.write(answer_of(b"plain"))
        writer.close()

    async with https_table(plain, None, None) as table:
        door = await make_door(routes=table)
        response = await door.client.get("/gems")
        assert response.status_code == 503


@pytest.mark.parametrize(("host", "connections"), [("localhost", 3), ("127.0.0.1", 1)])
async def test_a_connection_to_a_name_ends_when_the_name_may_have_moved(
    items, make_door, monkeypatch, host: str, connections: int
) -> None:
    monkeypatch.setattr("gateway.wire.pool.LONGEST_LIFE", -1.0)
    door = await make_door(items_url=f"http://{host}:{items.port}")
    for _ in range(3):
        assert (await door.client.get("/items")).status_code == 200
    assert items.peers == connections
