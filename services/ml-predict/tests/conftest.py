"""The committed model, a diamond to price, the table it came from, and the service really served."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import pytest_asyncio

from ml_predict.main import create_app
from ml_predict.model import Model
from ml_predict.rows import MAX_INSTANCES
from ml_predict.settings import MlPredictSettings
from ml_training.card import PriceCard
from ml_training.data import Split, clean, read_table, split
from shared.testing import LiveApp, TestIdentity, served

MEMBER = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def folder() -> Path:
    return MEMBER / "models" / "diamond-price" / "1"


@pytest.fixture(scope="session")
def card(folder: Path) -> PriceCard:
    return PriceCard.model_validate_json((folder / "card.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def model(folder: Path) -> Model:
    return Model.load(folder)


Predict = Callable[[Sequence[Any]], list[dict[str, float]]]


@pytest.fixture(scope="session")
def predict(model: Model) -> Predict:
    """What the model says of rows given as mappings, without the service."""

    def ask(rows: Sequence[Any]) -> list[dict[str, float]]:
        assert model.rows is not None
        found: list[dict[str, float]] = []
        for start in range(0, len(rows), MAX_INSTANCES):
            encoded = model.rows.encode(rows[start : start + MAX_INSTANCES])
            found += json.loads(model.renderer.render(model.predict(encoded)))["predictions"]
        return found

    return ask


@pytest.fixture
def diamond() -> dict[str, Any]:
    return {
        "carat": 0.7,
        "cut": "Ideal",
        "color": "G",
        "clarity": "VS2",
        "depth": 61.8,
        "table": 56.0,
        "x": 5.7,
        "y": 5.72,
        "z": 3.53,
    }


@pytest.fixture(scope="session")
def table() -> pd.DataFrame:
    return read_table()


@pytest.fixture(scope="session")
def parts(table: pd.DataFrame) -> Split:
    return split(clean(table).table)


@pytest.fixture(scope="session")
def settings(redis_settings: dict[str, Any], identity: TestIdentity) -> MlPredictSettings:
    return MlPredictSettings(**redis_settings, jwks_url=identity.jwks_url)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def live(settings: MlPredictSettings) -> AsyncIterator[LiveApp]:
    async with served(create_app(settings)) as running:
        yield running
