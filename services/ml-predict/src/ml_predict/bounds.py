"""Checks rows that arrive as a tensor against the card, all at once."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ml_predict.card import Feature
from ml_predict.exceptions import BodyInvalid

MOST_NAMED: Final = 50
_LARGEST: Final = float(np.finfo(np.float32).max)


class Bounds:
    """The same limits as for named features; a category is a whole number, its position on the card."""

    def __init__(self, features: Sequence[Feature]) -> None:
        columns = [feature for feature in features for _ in range(feature.size)]
        self._names = [feature.name for feature in columns]
        self._low = np.array([_low(feature) for feature in columns], np.float32)
        self._high = np.array([_high(feature) for feature in columns], np.float32)
        self._grades = [column for column, feature in enumerate(columns) if feature.categories]

    def check(self, rows: NDArray[Any]) -> None:
        """Raises BodyInvalid, which names row and feature."""
        good = (rows >= self._low) & (rows <= self._high)  # false for NaN
        if self._grades:
            codes = rows[:, self._grades]
            good[:, self._grades] &= codes == np.floor(codes)
        if not good.all():
            raise BodyInvalid.of([self._fault(*place) for place in np.argwhere(~good)[:MOST_NAMED].tolist()])

    def _fault(self, row: int, column: int) -> tuple[tuple[int | str, ...], str, str]:
        whole = "a whole number " if column in self._grades else ""
        said = f"must be {whole}from {self._low[column]:g} to {self._high[column]:g}"
        return ("body", "inputs", row, self._names[column]), said, "value_error"


def trained_range(features: Sequence[Feature]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Lowest and highest value that the model has seen, by column; infinite where the card says nothing."""
    infinite = (-np.inf, np.inf)
    ranges = [feature.trained_range or infinite for feature in features for _ in range(feature.size)]
    low, high = np.array(ranges, np.float32).reshape(-1, 2).T
    # The card has decimals, rows are float32: the range's own ends must be inside.
    return np.nextafter(low, np.float32(-np.inf)), np.nextafter(high, np.float32(np.inf))


def check_finite(feeds: Mapping[str, NDArray[Any]]) -> None:
    """Raises BodyInvalid, which names the tensor."""
    for name, array in feeds.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise BodyInvalid.of([(("body", "inputs", name), "must hold finite numbers", "finite_number")])


def _low(feature: Feature) -> float:
    if feature.categories:
        return 0.0
    above = (
        -_LARGEST if feature.gt is None else float(np.nextafter(np.float32(feature.gt), np.float32(np.inf)))
    )
    return max(above, -_LARGEST if feature.ge is None else feature.ge)


def _high(feature: Feature) -> float:
    if feature.categories:
        return len(feature.categories) - 1.0
    below = (
        _LARGEST if feature.lt is None else float(np.nextafter(np.float32(feature.lt), np.float32(-np.inf)))
    )
    return min(below, _LARGEST if feature.le is None else feature.le)
