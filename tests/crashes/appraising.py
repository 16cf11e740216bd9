"""What a model says of diamonds. The price tells by which version and of which features it is."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple

import httpx2
from sqlalchemy import text

from items.appraisals import SETTLED
from items.appraiser import Appraiser
from items.domain import Appraisal
from items.factory import Factory
from shared.database import Database
from shared.testing.live import http_client

MODEL: Final = "diamond-price"
TIMEOUT: Final = 2.0
DIAMOND: Final = {
    "cut": "Ideal",
    "color": "G",
    "clarity": "VS2",
    "depth": 61.8,
    "table": 56.0,
    "x": 5.7,
    "y": 5.7,
    "z": 3.5,
}
KNOWN: Final = text(
    "SELECT version, sequence, extract(epoch FROM now() - learned_at)::float AS age FROM default_model"
)
CARATS: Final = text("SELECT id, (features->>'carat')::float AS carat FROM items WHERE id = ANY(:ids)")


def diamond(carat: float) -> dict[str, Any]:
    return {**DIAMOND, "carat": carat}


def price(version: str, carat: float) -> Decimal:
    return Decimal(1000 * (int(version) % 1000 + 1)) + Decimal(str(carat))


class Known(NamedTuple):
    """What `items` knows of the default model, learned `age` seconds ago."""

    version: str
    sequence: int
    age: float

    @property
    def is_settled(self) -> bool | None:
        """Whether an answer by another version is believed. None if that is about to change."""
        limit = SETTLED + TIMEOUT
        return None if limit / 2 < self.age < limit * 2 else self.age > limit


class Told(NamedTuple):
    item_id: int
    version: str
    estimate: Decimal


@dataclass(frozen=True, slots=True)
class Page:
    """`asked` is true if the model was."""

    told: Sequence[Told]
    asked: bool


async def known(database: Database) -> Known | None:
    rows = list(await database.autocommit.execute(KNOWN))
    return Known(*rows[0]) if rows else None


async def carats(database: Database, item_ids: Sequence[int]) -> dict[int, float]:
    async with database.transaction() as connection:
        return {row.id: row.carat for row in (await connection.execute(CARATS, {"ids": item_ids})).all()}


async def appraise(items: Factory, item_ids: Sequence[int], version: str) -> Page:
    """Of each that can be appraised. If ml-predict is asked, `version` answers."""
    asked = []

    def predict(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        weights = [one["carat"] for one in json.loads(request.content)["instances"]]
        prices = [dict.fromkeys(("estimate", "low", "high"), float(price(version, one))) for one in weights]
        return httpx2.Response(
            200, json={"model": {"name": MODEL, "version": version}, "predictions": prices}
        )

    async with http_client("http://ml-predict", transport=httpx2.MockTransport(predict)) as client:
        outcomes = await items.appraisals(Appraiser(client, TIMEOUT), 24).appraise_page(item_ids, "token")
    found = [one for one in outcomes.values() if isinstance(one, Appraisal)]
    return Page([Told(one.item_id, one.model.version, one.estimate) for one in found], bool(asked))
