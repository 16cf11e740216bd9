"""How far what callers send has moved away from what a model was trained on."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from prometheus_client import Counter

from ml_predict.model import Model
from shared.gathering import GATHERING
from shared.metrics import Counts

MOST_ROWS: Final = 8192
ROWS: Final = Counter("ml_rows_total", "Rows that were asked for.", ["model", "version"])
OUTSIDE: Final = Counter(
    "ml_outside_range_total",
    "Values outside the range that the model was trained on, by the model's card.",
    ["model", "version", "feature"],
)


class Drift:
    """Keeps the rows of a moment, and counts them together: one comparison instead of thousands."""

    def __init__(self) -> None:
        self._rows = Counts(ROWS)
        self._outside = Counts(OUTSIDE)
        self._kept: dict[Model, list[NDArray[Any]]] = {}
        self._count = 0
        GATHERING.register(self.flush)

    def note(self, model: Model, rows: NDArray[Any]) -> None:
        """Rows in the order of the card's features. Kept until the next flush: do not write into them."""
        kept = self._kept.get(model)
        if kept is None:
            kept = self._kept[model] = []
        kept.append(rows)
        self._count += len(rows)
        if self._count > MOST_ROWS:
            self.flush()

    def flush(self) -> None:
        kept, self._kept, self._count = self._kept, {}, 0
        for model, parts in kept.items():
            rows = np.concatenate(parts)
            self._rows.add(len(rows), *model.labels)
            outside = ((rows < model.trained_low) | (rows > model.trained_high)).sum(axis=0)
            for column in np.flatnonzero(outside).tolist():
                self._outside.add(int(outside[column]), *model.labels, model.columns[column])
        if kept:
            self._rows.flush()
            self._outside.flush()


DRIFT: Final = Drift()
