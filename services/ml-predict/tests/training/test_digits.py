"""The ensemble of networks: its bytes, its figures, and what a batch costs."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from ml_predict.model import Model
from ml_training.digits import HELD_OUT, SEED, DigitsTooWeak, Recipe, build

FEW = Recipe(members=3)


@pytest.fixture(scope="module")
def digits(folder: Path) -> Model:
    return Model.load(folder.parents[1] / "digits" / "1")


def test_training_twice_gives_the_same_bytes() -> None:
    (first, card), (second, _) = build(FEW, minimum=0.9), build(FEW, minimum=0.9)
    assert first == second
    assert card.metrics["accuracy"] > 0.9


def test_a_weak_ensemble_is_refused() -> None:
    with pytest.raises(DigitsTooWeak):
        build(Recipe(members=1, iterations=1), minimum=0.9)


def test_the_committed_model_reads_digits_as_well_as_its_card_says(digits: Model) -> None:
    images, labels = load_digits(return_X_y=True)
    rows = np.random.default_rng(SEED).permutation(len(labels))[:HELD_OUT]
    found, probabilities = digits.predict(images[rows].astype(np.float32))
    assert (found == labels[rows]).mean() == pytest.approx(digits.card.metrics["accuracy"], abs=0.003)
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-4)


def test_a_digit_is_the_same_alone_and_in_a_batch_within_a_millionth(digits: Model) -> None:
    images, _ = load_digits(return_X_y=True)
    some = images[:32].astype(np.float32)
    _, together = digits.predict(some)
    alone = np.concatenate([digits.predict(some[place : place + 1])[1] for place in range(32)])
    assert np.abs(together - alone).max() < 2e-6
