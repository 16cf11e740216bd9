"""The second generator's connections: what ends an answer, and when a connection is used again."""

import asyncio
from collections.abc import Awaitable, Callable

from loadtests.tuner.measuring.connections import Connections

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
UNTIL_CLOSED = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it"
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"

Talk = Callable[[Connections], Awaitable[None]]


def _with(answers: list[bytes], each: int, talk: Talk, spread: int = 1) -> None:
    """A server whose connections end after `each` answers."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(each):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answers.pop(0))
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1")
        connections = Connections(server.sockets[0].getsockname()[1], spread, 4)
        async with server:
            await talk(connections)
            connections.close()

    asyncio.run(run())


async def _get(connections: Connections, *, last: bool = False) -> tuple[int, bytes]:
    return await connections.exchange("GET", "/", None, {}, last=last)


def test_every_way_to_end_an_answer_is_known() -> None:
    async def talk(connections: Connections) -> None:
        assert await _get(connections) == (200, b"ok")
        assert await _get(connections) == (201, b"abcde")
        assert await _get(connections) == (204, b"")
        assert await _get(connections) == (200, b"all of it")
        assert connections.opened == 1

    _with([PLAIN, CHUNKED, EMPTY, UNTIL_CLOSED], 4, talk)


def test_one_that_the_server_closed_when_idle_is_replaced() -> None:
    async def talk(connections: Connections) -> None:
        for _ in range(3):
            assert await _get(connections) == (200, b"ok")
        assert connections.opened == 3

    _with([PLAIN] * 3, 1, talk)


def test_the_last_request_of_a_connection_ends_it() -> None:
    async def talk(connections: Connections) -> None:
        await _get(connections, last=True)
        await _get(connections)
        assert connections.opened == 2

    _with([PLAIN] * 2, 1, talk)


def test_new_ones_are_made_until_enough_take_turns() -> None:
    async def talk(connections: Connections) -> None:
        for _ in range(6):
            await _get(connections)
        assert connections.opened == 3

    _with([PLAIN] * 6, 2, talk, spread=3)
