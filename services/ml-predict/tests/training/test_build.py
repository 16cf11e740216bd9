"""A whole training, on a fifth of the rows and a few trees."""

from pathlib import Path

import pandas as pd
import pytest

from ml_predict.model import Model
from ml_training.build import Build, ModelTooWeak, build
from ml_training.card import PriceCard
from ml_training.document import document
from ml_training.features import encode
from ml_training.fit import Recipe

FEW_TREES = Recipe(n_estimators=10, learning_rate=0.3)


@pytest.fixture(scope="module")
def fifth(table: pd.DataFrame) -> pd.DataFrame:
    return table.iloc[::5]


@pytest.fixture(scope="module")
def built(fifth: pd.DataFrame) -> Build:
    return build(fifth, FEW_TREES, minimum_r2=0.5)


def test_training_twice_gives_the_same_bytes(fifth: pd.DataFrame, built: Build) -> None:
    again = build(fifth, FEW_TREES, minimum_r2=0.5)
    assert again.onnx == built.onnx
    assert again.card == built.card


def test_what_is_written_can_be_served(built: Build, tmp_path: Path) -> None:
    folder = built.write(tmp_path)
    assert folder == tmp_path / "diamond-price" / "1"
    (prices,) = Model.load(folder).predict(encode(built.held_out.head(10)))
    assert prices.shape == (10, 3)


def test_a_weak_model_is_refused(fifth: pd.DataFrame) -> None:
    with pytest.raises(ModelTooWeak, match=r"at least 0\.97 is needed"):
        build(fifth, Recipe(n_estimators=1))


def test_the_committed_card_for_people_says_what_the_one_for_machines_says(
    folder: Path, card: PriceCard
) -> None:
    assert (folder / "card.md").read_text(encoding="utf-8") == document(card)
