"""When the requests of an open-loop load are due."""

import random
from itertools import count, takewhile


def schedule(rate: float, seconds: float, seed: int, *, even: bool = False) -> list[float]:
    """Seconds from the start, ascending, `rate` × `seconds` of them.

    The moments of a Poisson process of which the number is known are uniformly distributed, so the number is
    exact and the gaps are as random as they should be. `even` gives constant gaps instead.
    """
    if even:
        return list(takewhile(lambda due: due < seconds, (turn / rate for turn in count())))
    source = random.Random(f"{seed}-schedule")  # noqa: S311 - load, not secrets
    return sorted(source.uniform(0, seconds) for _ in range(max(1, round(rate * seconds))))
