"""Each request has its ids: in the answer, in problems and on each line of the log."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import APIRouter

from shared.context import CURRENT
from shared.logging import get_logger
from shared.testing import served

router = APIRouter()
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@router.get("/ids")
async def read_ids() -> dict[str, str]:
    context = CURRENT.get()
    assert context is not None
    get_logger().info("seen")
    return {"request_id": context.request_id, "trace_id": context.trace_id}


async def test_an_id_from_outside_goes_through(make_app: Callable[..., Any]) -> None:
    async with served(make_app(router)) as live:
        answer = await live.client.get(
            "/ids", headers={"X-Request-ID": "order-66", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
        )
    assert answer.headers.get_list("x-request-id") == ["order-66"]
    assert answer.json() == {"request_id": "order-66", "trace_id": TRACE}


@pytest.mark.parametrize("sent", [b"x" * 129, b"two words", b"\xc3\xa9", b"a\tb"])
async def test_an_ill_formed_id_is_replaced(make_app: Callable[..., Any], sent: bytes) -> None:
    async with served(make_app(router)) as live:
        answer = await live.client.get("/ids", headers={b"X-Request-ID": sent})
    assert answer.status_code == 200
    assert len(answer.headers["x-request-id"]) == 32


async def test_a_line_break_in_an_id_is_no_request_at_all(
    make_app: Callable[..., Any], talk: Callable[..., Any]
) -> None:
    """A bare CR; CRLF would simply begin the next header."""
    async with served(make_app(router)) as live:
        answer = await talk(
            live.port, b"GET /ids HTTP/1.1\r\nHost: x\r\nX-Request-ID: a\rSet-Cookie: b\r\n\r\n"
        )
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"set-cookie" not in answer.lower()


async def test_the_ids_stand_on_every_line_of_a_request(
    make_app: Callable[..., Any], log_lines: Callable[[], list[dict[str, Any]]]
) -> None:
    async with served(make_app(router)) as live:
        await live.client.get(
            "/ids", headers={"X-Request-ID": "mine", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-00"}
        )
    lines = [line for line in log_lines() if line["event"] in {"seen", "request"}]
    assert len(lines) == 2
    assert all(line["request_id"] == "mine" and line["trace_id"] == TRACE for line in lines)


async def test_a_problem_names_the_request(make_app: Callable[..., Any]) -> None:
    async with served(make_app()) as live:
        answer = await live.client.get("/nowhere", headers={"X-Request-ID": "mine"})
    assert answer.json()["request_id"] == answer.headers["x-request-id"] == "mine"


async def test_requests_do_not_share_their_ids(make_app: Callable[..., Any]) -> None:
    async with served(make_app(router)) as live:
        answers = [await live.client.get("/ids") for _ in range(3)]
    assert len({answer.json()["request_id"] for answer in answers}) == 3
    assert CURRENT.get() is None
