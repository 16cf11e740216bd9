"""Requests answered from the connection: the same answers as the usual way, in any piece and any order."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from ml_predict.main import create_app
from ml_predict.settings import MlPredictSettings
from shared.gathering import GATHERING
from shared.metrics import REQUESTS
from shared.testing import LiveApp, TestIdentity, served

GOOD = {
    "instances": [
        {"carat": 0.7, "cut": "Ideal", "color": "G", "clarity": "VS2"}
        | {"depth": 61.8, "table": 56.0, "x": 5.7, "y": 5.72, "z": 3.53}
    ]
}
OWN = {"x-request-id", "x-process-time", "date", "content-length"}
INFER = "/v2/models/diamond-price/infer"
IMAGES = {"inputs": [{"name": "pixels", "datatype": "FP32", "shape": [2, 64], "data": [0.0] * 128}]}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def usual(settings: MlPredictSettings) -> AsyncIterator[LiveApp]:
    """The same service without the shortcut."""
    async with served(create_app(settings)) as running:
        yield running


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        ("/predict", json.dumps(GOOD), {}),
        ("/predict", json.dumps(GOOD), {"Authorization": ""}),
        ("/predict", json.dumps(GOOD), {"Authorization": "Bearer x"}),
        ("/predict", json.dumps(GOOD), {"Authorization": "Basic eDp4"}),
        ("/predict", json.dumps(GOOD), {"Content-Type": "text/plain"}),
        ("/predict", json.dumps(GOOD), {"Content-Encoding": "gzip"}),
        ("/predict", "{", {}),
        ("/predict", '{"instances": [{}]}', {}),
        ("/predict?x=1", json.dumps(GOOD), {}),
        ("/predict/diamond-price", json.dumps(GOOD), {}),
        ("/predict/diamond%2dprice", json.dumps(GOOD), {}),
        ("/predict/ruby-price", json.dumps(GOOD), {}),
        ("/predict/", json.dumps(GOOD), {}),
        ("//predict", json.dumps(GOOD), {}),
        (INFER, '{"inputs": []}', {}),
        (INFER, "{}", {"Inference-Header-Content-Length": "9"}),
        ("/v2/models/digits/infer", json.dumps(IMAGES), {}),
        ("/v2/models/digits/versions/1/infer", json.dumps(IMAGES), {}),
        ("/v2/models/digits/versions/9/infer", json.dumps(IMAGES), {}),
    ],
)
async def test_both_ways_give_the_same_answer(
    live: LiveApp, usual: LiveApp, identity: TestIdentity, path: str, body: str, headers: dict[str, str]
) -> None:
    given = identity.headers(7) | {"Content-Type": "application/json"} | headers
    one, other = [await app.client.post(path, content=body, headers=given) for app in (live, usual)]
    assert one.status_code == other.status_code
    told, expected = one.json(), other.json()
    assert told.pop("request_id", None) is not None or "request_id" not in expected
    expected.pop("request_id", None)
    assert told == expected
    kept = [{name: value for name, value in each.headers.items() if name not in OWN} for each in (one, other)]
    assert kept[0] == kept[1]
    assert OWN - {"date"} <= one.headers.keys()


async def test_the_callers_request_id_comes_back_and_the_request_is_counted(
    live: LiveApp, identity: TestIdentity
) -> None:
    counter = REQUESTS.labels("POST", "/predict", "200")
    GATHERING.flush()
    before = counter._value.get()
    headers = identity.headers(7) | {"X-Request-ID": "my-own"}
    answer = await live.client.post("/predict", json=GOOD, headers=headers)
    assert answer.headers["x-request-id"] == "my-own"
    GATHERING.flush()
    assert counter._value.get() == before + 1


def raw(identity: TestIdentity, path: str, body: bytes, *extra: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *extra]
    lines += [f"{name}: {value}" for name, value in identity.headers(7).items()]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


async def read_answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return head, await reader.readexactly(int(length))


async def test_a_request_may_come_in_single_bytes(live: LiveApp, identity: TestIdentity) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", live.port)
    for byte in raw(identity, "/predict", json.dumps(GOOD).encode()):
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0)
    head, _ = await read_answer(reader)
    assert head.startswith(b"HTTP/1.1 200")
    writer.close()


async def test_pipelined_requests_are_answered_in_their_order(live: LiveApp, identity: TestIdentity) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", live.port)
    slow = raw(identity, "/v2/models/digits/infer", json.dumps(IMAGES).encode())
    quick = raw(identity, "/predict", json.dumps(GOOD).encode())
    writer.write(slow + quick + slow + quick)
    bodies = [json.loads((await read_answer(reader))[1]) for _ in range(4)]
    assert ["outputs" in body for body in bodies] == [True, False, True, False]
    writer.close()


@pytest.mark.parametrize("extra", ["Connection: close", "Expect: 100-continue"])
async def test_what_a_request_asks_of_its_connection_is_done(
    live: LiveApp, identity: TestIdentity, extra: str
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", live.port)
    writer.write(raw(identity, "/predict", json.dumps(GOOD).encode(), extra))
    if extra.startswith("Expect"):
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    head, _ = await read_answer(reader)
    assert head.startswith(b"HTTP/1.1 200")
    if extra == "Connection: close":
        assert b"connection: close" in head
        assert await reader.read() == b""
    writer.close()
