"""The committed model, a diamond to price, and the table it came from."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ml_predict.card import ModelCard
from ml_predict.model import PriceModel, read_card
from ml_predict.training.data import Split, clean, read_table, split

MEMBER = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def folder() -> Path:
    return MEMBER / "models" / "diamond-price" / "1"


@pytest.fixture(scope="session")
def card(folder: Path) -> ModelCard:
    return read_card(folder)


@pytest.fixture(scope="session")
def model(folder: Path) -> PriceModel:
    return PriceModel.load(folder)


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
