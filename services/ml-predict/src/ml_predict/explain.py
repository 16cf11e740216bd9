"""What each feature contributes to a prediction: exact Shapley values against reference rows of the card.

A coalition takes some features from the row that is explained and the others from a reference. With all 2^n
coalitions the values are exact, whatever the model is, and add up to the difference from the reference. For
nine features these are 512 rows, which a model computes in one call.
"""

from math import factorial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ml_predict.answers import Array
from ml_predict.card import Explanation, Feature, ModelCard
from ml_predict.rows import Float32s

MOST_EXPLAINED: Final = 16
"""Rows of one request: each costs as much as hundreds of predictions."""


class Explainer:
    """Prepared for one model."""

    def __init__(self, features: tuple[Feature, ...], explanation: Explanation) -> None:
        count = len(features)
        self.names = [feature.name for feature in features]
        self._shown = explanation.output
        self._column = explanation.column
        self._background = np.array(explanation.background, np.float32)
        masks = (np.arange(2**count)[:, None] >> np.arange(count)) & 1 == 1
        self._weights = _weights(masks)
        self._taken = np.repeat(masks, [feature.size for feature in features], axis=1)
        self.size = len(masks) * len(self._background)  # rows to compute for each row

    def coalitions(self, rows: Float32s) -> Float32s:
        """The rows to compute, `size` for each; the last of them is the row itself."""
        taken = self._taken[None, :, None, :]
        mixed = np.where(taken, rows[:, None, None, :], self._background[None, None, :, :])
        return np.ascontiguousarray(mixed.reshape(-1, rows.shape[1]))

    def plain(self, computed: list[Array]) -> list[Array]:
        """What was computed for the rows themselves."""
        return [array[self.size - 1 :: self.size] for array in computed]

    def shown(self, computed: list[Array], card: ModelCard) -> list[dict[str, Any]]:
        """The explanations as JSON. Rounded, they still add up: the largest part takes the remainder."""
        place = [output.name for output in card.outputs].index(self._shown)
        decimals = card.outputs[place].decimals
        array = computed[place]
        bases, contributions = self.explain(array)
        if decimals is not None:
            totals = self.plain([array.reshape(len(array), -1)[:, self._column]])[0].round(decimals)
            bases, contributions = bases.round(decimals), contributions.round(decimals)
            largest = np.arange(len(contributions)), np.abs(contributions).argmax(axis=1)
            contributions[largest] += totals - bases - contributions.sum(axis=1)
            contributions = contributions.round(decimals)
        return [
            {"base": base, "contributions": dict(zip(self.names, parts, strict=True))}
            for base, parts in zip(bases.tolist(), contributions.tolist(), strict=True)
        ]

    def explain(self, computed: Array) -> tuple[NDArray[Any], NDArray[Any]]:
        """The reference's value for each row, and the contributions, [rows, features].

        `computed` is the explained output for the rows of `coalitions`.
        """
        values = computed.reshape(len(computed), -1)[:, self._column].astype(np.float64)
        by_coalition = values.reshape(-1, len(self._taken), len(self._background)).mean(axis=2)
        return by_coalition[:, 0], by_coalition @ self._weights


def _weights(masks: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How much a coalition's value counts for a feature: positive with it, negative without.

    Shapley's formula, with the two terms of each difference written apart.
    """
    count = masks.shape[1]
    total = factorial(count)
    size = masks.sum(axis=1)
    joining = np.array([factorial(s) * factorial(max(count - s - 1, 0)) / total for s in range(count + 1)])
    weights: NDArray[np.float64] = np.where(masks, joining[size - 1][:, None], -joining[size][:, None])
    return weights
