"""How often each of many things is asked for."""

import bisect
import itertools
import random
from collections.abc import Sequence
from functools import lru_cache


def zipf(count: int, source: random.Random) -> int:
    """A place from 0 to `count` - 1: the first twice as often as the second, three times as the third …"""
    weights = _harmonic(count)
    return bisect.bisect(weights, source.random() * weights[-1])


@lru_cache(maxsize=128)
def _harmonic(count: int) -> Sequence[float]:
    return list(itertools.accumulate(1 / rank for rank in range(1, count + 1)))
