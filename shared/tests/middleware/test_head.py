"""HEAD is answered wherever there is a GET: the same header fields and no body."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import APIRouter
from prometheus_client import REGISTRY

from shared.testing import served

router = APIRouter()


@router.get("/rings/{ring_id}")
async def read_ring(ring_id: int) -> int:
    return ring_id


@router.get("/rings/{ring_id}/cracked")
async def crack(ring_id: int) -> int:
    raise RuntimeError(ring_id)


@router.post("/rings")
async def add_ring() -> int:
    return 1


@pytest.mark.parametrize(("path", "status"), [("/rings/52", 200), ("/rings/x", 422), ("/nowhere", 404)])
async def test_head_is_get_without_the_body(make_app: Callable[..., Any], path: str, status: int) -> None:
    async with served(make_app(router)) as live:
        got, headed = await live.client.get(path), await live.client.head(path)
    assert got.status_code == headed.status_code == status
    assert headed.content == b""
    assert headed.headers["content-type"] == got.headers["content-type"]


async def test_head_where_there_is_no_get_is_405(make_app: Callable[..., Any]) -> None:
    async with served(make_app(router)) as live:
        assert (await live.client.head("/rings")).status_code == 405


async def test_head_counts_as_head_under_its_route(make_app: Callable[..., Any]) -> None:
    labels = {"method": "HEAD", "route": "/rings/{ring_id}", "status": "200"}
    before = REGISTRY.get_sample_value("http_requests_total", labels) or 0.0
    async with served(make_app(router)) as live:
        await live.client.head("/rings/52")
    assert REGISTRY.get_sample_value("http_requests_total", labels) == before + 1


async def test_a_head_that_fails_counts_under_its_route_too(make_app: Callable[..., Any]) -> None:
    labels = {"method": "HEAD", "route": "/rings/{ring_id}/cracked", "status": "500"}
    before = REGISTRY.get_sample_value("http_requests_total", labels) or 0.0
    async with served(make_app(router)) as live:
        assert (await live.client.head("/rings/52/cracked")).status_code == 500
    assert REGISTRY.get_sample_value("http_requests_total", labels) == before + 1
