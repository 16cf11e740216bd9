"""What Postgres cannot hold is refused at the door."""

import json
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Query
from pydantic import BaseModel

from shared.fields import IN_DECIMALS, IN_DIGITS, LARGEST_ID, PathId, Text
from shared.testing import served

router = APIRouter()


class Note(BaseModel):
    text: Text


@router.post("/notes")
async def write_note(note: Note) -> str:
    return note.text


@router.get("/notes")
async def find_note(text: Text) -> str:
    return text


@router.get("/rings")
async def find_rings(
    size: Annotated[int, Query(ge=0), IN_DIGITS] = 0, carat: Annotated[float, IN_DECIMALS] = 0.0
) -> tuple[int, float]:
    return size, carat


@router.get("/notes/{note_id}")
async def read_note(note_id: PathId) -> int:
    return note_id


async def test_text_is_stripped(make_app: Callable[..., Any]) -> None:
    async with served(make_app(router)) as live:
        answer = await live.client.post("/notes", json={"text": "  Ünïcode 💎 \n"})
    assert answer.json() == "Ünïcode 💎"


@pytest.mark.parametrize("text", ["a\x00b", "\x00", "half \ud800 pair"])
async def test_text_that_postgres_cannot_hold_is_422(make_app: Callable[..., Any], text: str) -> None:
    async with served(make_app(router)) as live:
        answer = await live.client.post(
            "/notes", content=json.dumps({"text": text}), headers={"Content-Type": "application/json"}
        )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["body", "text"]


async def test_a_nul_in_a_query_is_422(make_app: Callable[..., Any]) -> None:
    async with served(make_app(router)) as live:
        assert (await live.client.get("/notes?text=a%00b")).status_code == 422


@pytest.mark.parametrize(
    ("sent", "status"),
    [(1, 200), (LARGEST_ID, 200), (0, 422), (-1, 422), (LARGEST_ID + 1, 422), (10**400, 422), ("x", 422)],
)
async def test_an_id_fits_a_bigint(make_app: Callable[..., Any], sent: object, status: int) -> None:
    async with served(make_app(router)) as live:
        assert (await live.client.get(f"/notes/{sent}")).status_code == status


@pytest.mark.parametrize(
    "sent", ["1_0", "%201", "1%20", "+1", "01", "1.0", "1e1", "\uff11", "\u0663", "0x1", ""]
)
async def test_a_whole_number_has_one_form(make_app: Callable[..., Any], sent: str) -> None:
    async with served(make_app(router)) as live:
        in_query = await live.client.get(f"/rings?size={sent}")
        assert in_query.status_code == 422
        assert in_query.json()["errors"][0]["loc"] == ["query", "size"]
        if sent:
            assert (await live.client.get(f"/notes/{sent}")).status_code == 422
        assert (await live.client.get("/rings?size=10")).json() == [10, 0.0]


@pytest.mark.parametrize("sent", ["1_0", "%201", "nan_", "\uff11", "0x1"])
async def test_a_decimal_number_is_written_as_one(make_app: Callable[..., Any], sent: str) -> None:
    async with served(make_app(router)) as live:
        assert (await live.client.get(f"/rings?carat={sent}")).status_code == 422
        for good, value in {"0.50": 0.5, ".5": 0.5, "1e-3": 0.001, "2": 2.0}.items():
            assert (await live.client.get(f"/rings?carat={good}")).json() == [0, value]
