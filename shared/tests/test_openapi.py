"""The document says what is answered."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import APIRouter

from shared.problems import Problem
from shared.testing import served

router = APIRouter(prefix="/stones")


@router.get("/{stone_id}", responses={404: {"model": Problem}})
async def read_stone(stone_id: int) -> int:
    return stone_id


@router.delete("/{stone_id}", status_code=204)
async def remove_stone(stone_id: int) -> None:
    return None


async def test_errors_are_documented_as_what_they_are(make_app: Callable[..., Any]) -> None:
    async with served(make_app(router)) as live:
        document = (await live.client.get("/openapi.json")).json()
        again = (await live.client.get("/openapi.json")).json()
    assert document == again
    assert document["paths"]["/stones/{stone_id}"]["get"]["responses"].keys() == {"200", "404", "default"}
    for item in document["paths"].values():
        for operation in item.values():
            assert set(operation["responses"]["default"]["content"]) == {"application/problem+json"}
            for status, response in operation["responses"].items():
                if status >= "400":
                    assert set(response["content"]) == {"application/problem+json"}
    assert "Problem" in document["components"]["schemas"]


@pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS", "TRACE"])
async def test_allow_lists_every_method_of_a_path(make_app: Callable[..., Any], method: str) -> None:
    """Starlette names those of the first route that has the path."""
    async with served(make_app(router)) as live:
        answer = await live.client.request(method, "/stones/5")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "DELETE, GET, HEAD"
    assert answer.json()["code"] == "method_not_allowed"
