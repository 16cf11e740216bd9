"""How often requests arrive: a moving average of the time between two."""

from typing import Final
from weakref import WeakKeyDictionary

from ml_predict.model import Model

WEIGHT: Final = 0.2
LONGEST_GAP: Final = 1.0  # seconds: after a pause the average must not need hundreds of requests to recover


class Arrivals:
    """By model; a model that was replaced is forgotten."""

    def __init__(self) -> None:
        self._last: WeakKeyDictionary[Model, float] = WeakKeyDictionary()
        self._gaps: WeakKeyDictionary[Model, float] = WeakKeyDictionary()

    def note(self, model: Model, now: float) -> None:
        """A request came at `now`, in seconds."""
        if model in self._last:
            gap = min(now - self._last[model], LONGEST_GAP)
            self._gaps[model] = WEIGHT * gap + (1 - WEIGHT) * self._gaps.get(model, LONGEST_GAP)
        self._last[model] = now

    def gap(self, model: Model) -> float:
        """Expected seconds until the next one."""
        return self._gaps.get(model, LONGEST_GAP)
