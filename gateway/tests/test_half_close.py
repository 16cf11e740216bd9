"""Clients that close their sending side after a whole request, and read on."""

import pytest

from shared.testing import LiveApp

GET = b"GET /items HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("path", [b"/items", b"/health"])
async def test_who_closes_the_sending_side_still_gets_the_answer(door: LiveApp, dial, path: bytes) -> None:
    wire = await dial(door.port)
    await wire.send(GET.replace(b"/items", path))
    wire.writer.write_eof()
    assert (await wire.answer())[0] == 200
    assert await wire.rest() == b""


async def test_the_answer_may_come_after_the_end_and_pipelined_ones_come_too(
    door: LiveApp, items, dial, answer, eventually
) -> None:
    may_answer = items.hold(answer(b"late"))
    wire = await dial(door.port)
    await wire.send(GET * 3)
    wire.writer.write_eof()
    await eventually(lambda: items.requests)
    may_answer.set()
    assert (await wire.rest()).count(b"late") == 3


async def test_who_closes_in_the_middle_of_a_request_gets_none(door: LiveApp, items, dial) -> None:
    wire = await dial(door.port)
    await wire.send(b"POST /items HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf")
    wire.writer.write_eof()
    assert await wire.rest() == b""
    assert items.requests == []
