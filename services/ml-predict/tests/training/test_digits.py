"""The ensemble of networks: its bytes, its figures, and what a batch costs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_predict.model import Model
from ml_training.digits import HELD_OUT, SEED, DigitsTooWeak, Recipe, build

FEW = Recipe(members=3)


@pytest.fixture(scope="module")
def images_and_labels() -> tuple[Any, Any]:
    from sklearn.datasets import load_digits  # noqa: PLC0415 - a second, which only the tests of training spend

    images, labels = load_digits(return_X_y=True)
    return images, labels


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


def test_the_committed_model_reads_digits_as_well_as_its_card_says(
    digits: Model, images_and_labels: tuple[Any, Any]
) -> None:
    images, labels = images_and_labels
    rows = np.random.default_rng(SEED).permutation(len(labels))[:HELD_OUT]
    found, probabilities = digits.predict(images[rows].astype(np.float32))
    assert (found == labels[rows]).mean() == pytest.approx(digits.card.metrics["accuracy"], abs=0.003)
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-4)


def test_a_digit_is_the_same_alone_and_in_a_batch_within_a_millionth(
    digits: Model, images_and_labels: tuple[Any, Any]
) -> None:
    images, _ = images_and_labels
    some = images[:32].astype(np.float32)
    _, together = digits.predict(some)
    alone = np.concatenate([digits.predict(some[place : place + 1])[1] for place in range(32)])
    assert np.abs(together - alone).max() < 2e-6
