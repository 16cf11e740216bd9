"""Shadow versions: they compute what was answered already, and are only compared."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor

import numpy as np

from ml_predict.answers import Array
from ml_predict.metrics import MODEL_METRICS
from ml_predict.model import Model


class Shadows:
    """One comparison at a time, in a thread; what comes meanwhile is skipped and counted."""

    def __init__(self, pool: Executor) -> None:
        self._pool = pool
        self._busy = False

    def compare(
        self, shadow: Model, feeds: Mapping[str, Array], names: Sequence[str], answered: Sequence[Array]
    ) -> None:
        """Compute the same with `shadow`, and record how far it is from what was answered."""
        if self._busy:
            MODEL_METRICS.shadow_not_compared(shadow, "busy")
            return
        self._busy = True
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._pool, _difference, shadow, feeds, names, answered)
        future.add_done_callback(lambda done: self._finish(shadow, done))

    def _finish(self, shadow: Model, done: "asyncio.Future[float | None]") -> None:
        self._busy = False
        if done.cancelled():
            return
        difference = None if done.exception() else done.result()
        if difference is None:
            MODEL_METRICS.shadow_not_compared(shadow, "failed")
        else:
            MODEL_METRICS.shadow_compared(shadow, difference)


def _difference(
    shadow: Model, feeds: Mapping[str, Array], names: Sequence[str], answered: Sequence[Array]
) -> float | None:
    """The largest relative difference; 1 where values that are no floats differ. None if nothing compares."""
    known = {output.name for output in shadow.outputs}
    shared = [(name, array) for name, array in zip(names, answered, strict=True) if name in known]
    computed = shadow.run(feeds, [name for name, _ in shared])
    pairs = [(one, other) for (_, one), other in zip(shared, computed, strict=True)]
    if not pairs or any(one.shape != other.shape for one, other in pairs):
        return None
    return max(_relative(one, other) for one, other in pairs)


def _relative(one: Array, other: Array) -> float:
    if one.dtype.kind != "f":
        return 0.0 if np.array_equal(one, other) else 1.0
    scale = np.maximum(np.abs(one), np.abs(other))
    apart = np.abs(one - other)
    return float(np.max(np.divide(apart, scale, out=np.zeros_like(apart), where=scale > 0), initial=0.0))
