"""Requests that are refused by their head."""

import asyncio
import json

import pytest

from ml_predict import wire
from ml_predict.early import caller_left
from ml_predict.exceptions import CallerGone, QueueFull
from shared.testing import LiveApp, TestIdentity
from shared.testing.waiting import becomes

INFER = "/v2/models/digits/infer"
IMAGE = {"inputs": [{"name": "pixels", "datatype": "FP32", "shape": [1, 64], "data": [0.0] * 64}]}


async def test_a_full_queue_refuses_before_reading_and_keeps_the_connection(
    live: LiveApp, identity: TestIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str | None] = []

    def full(_: object, model: str | None) -> QueueFull:
        asked.append(model)
        return QueueFull(retry_after=3)

    with monkeypatch.context() as patched:
        patched.setattr(wire, "refusal", full)
        body = b"x" * 100_000
        answer = await live.client.post(INFER, content=body, headers={"X-Request-ID": "my-own"})
        assert (answer.status_code, answer.json()["code"]) == (503, "queue_full")
        assert (answer.headers["retry-after"], answer.json()["request_id"]) == ("3", "my-own")
        index = await live.client.post("/v2/repository/index", content=b"", headers=identity.headers(7))
        assert index.status_code == 200  # it computes nothing
    assert asked == ["digits"]
    assert (await live.client.post(INFER, json=IMAGE, headers=identity.headers(7))).status_code == 200


async def test_whoever_has_left_gets_no_answer(live: LiveApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "refusal", lambda *_: CallerGone())
    reader, writer = await asyncio.open_connection("127.0.0.1", live.port)
    body = json.dumps(IMAGE).encode()
    head = f"POST {INFER} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    assert await reader.read() == b""
    writer.close()


async def test_the_kernel_tells_that_a_caller_has_left_before_anything_is_read() -> None:
    accepted: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # asyncio's writer has a plain transport
        accepted.set_result(writer)

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        _, caller = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer = await accepted
        caller.write(b"x")
        assert not caller_left(writer.transport)
        caller.transport.abort()
        await becomes(lambda: caller_left(writer.transport))
        writer.close()
