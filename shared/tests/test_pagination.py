"""`skip` and `limit` within their bounds."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import APIRouter

from shared.pagination import LARGEST_PAGE, LARGEST_SKIP, PageQuery
from shared.testing import served

router = APIRouter()


@router.get("/page")
async def read_page(page: PageQuery) -> list[int]:
    return [page.skip, page.limit]


@pytest.mark.parametrize(
    ("query", "page"),
    [
        ("", [0, 20]),
        ("?skip=5&limit=1", [5, 1]),
        (f"?limit={LARGEST_PAGE}", [0, LARGEST_PAGE]),
        (f"?skip={LARGEST_SKIP}", [LARGEST_SKIP, 20]),
    ],
)
async def test_a_page_within_bounds(make_app: Callable[..., Any], query: str, page: list[int]) -> None:
    async with served(make_app(router)) as live:
        assert (await live.client.get(f"/page{query}")).json() == page


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        (f"limit={LARGEST_PAGE + 1}", "limit"),
        ("limit=1.5", "limit"),
        ("limit=x", "limit"),
        ("limit=", "limit"),
        ("skip=-1", "skip"),
        (f"skip={LARGEST_SKIP + 1}", "skip"),
        (f"skip={10**400}", "skip"),
    ],
)
async def test_a_page_out_of_bounds_names_the_parameter(
    make_app: Callable[..., Any], query: str, field: str
) -> None:
    async with served(make_app(router)) as live:
        answer = await live.client.get(f"/page?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["query", field]
