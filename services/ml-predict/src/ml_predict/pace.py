"""How much slower a model is than at warm-up: a moving average of what its calls took."""

from typing import Final
from weakref import WeakKeyDictionary

from ml_predict.model import Model

WEIGHT: Final = 0.2
SLOWEST: Final = 20.0  # one call that was held up must not close the queue for long


class Pace:
    """By model; a model that was replaced is forgotten."""

    def __init__(self) -> None:
        self._ratios: WeakKeyDictionary[Model, float] = WeakKeyDictionary()

    def note(self, model: Model, rows: int, seconds: float) -> None:
        """A call with `rows` rows took `seconds`, from its start until the next one could begin."""
        if (expected := model.costs.of(rows)) > 0:
            ratio = min(seconds / expected, SLOWEST)
            self._ratios[model] = WEIGHT * ratio + (1 - WEIGHT) * self.of(model)

    def of(self, model: Model) -> float:
        """Seconds for each that was measured at warm-up."""
        return self._ratios.get(model, 1.0)
