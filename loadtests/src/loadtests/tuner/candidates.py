"""Which worker counts are worth a measurement."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from loadtests.tuner.model import Configuration, Limits

RULE = "2n + 1"  # which people set most, so that what it costs is always said
_RATIO = 1.5  # between neighbouring counts of the first ladder
_CLOSE = 1.08  # counts this close are not told apart
_NEAR = 0.90  # of the best: worth a neighbour
_LOST = 0.70  # of the best: no larger count will win


def largest(limits: Limits) -> int:
    return limits.max_workers or 4 * max(1, math.ceil(limits.cpus)) + 1


def rules_of_thumb(limits: Limits) -> dict[str, int]:
    """What people set without measuring, by name; n is the number of CPUs."""
    cpus = max(1, math.floor(limits.cpus))
    return {"1": 1, "n": cpus, "n + 1": cpus + 1, "2n": 2 * cpus, "2n + 1": 2 * cpus + 1}


def thumb(
    services: Sequence[str], limits: Limits, knobs: Mapping[str, str], rule: str = RULE
) -> Configuration:
    """As many workers of each service as the rule of thumb says."""
    return Configuration.of(dict.fromkeys(services, rules_of_thumb(limits)[rule]), **knobs)


def ladder(limits: Limits) -> list[int]:
    """Ascending, so that memory is learned before it runs out; never more than 1.5 times the one before."""
    counts = {count for count in rules_of_thumb(limits).values() if count <= largest(limits)}
    step = 1.0
    while step <= largest(limits):
        counts.add(round(step))
        step = max(step * _RATIO, step + 1)
    return sorted(counts | {largest(limits)})


def lost(capacities: Mapping[int, float]) -> bool:
    """True if the two largest counts are far behind the best: the curve has turned."""
    if len(capacities) < 4:  # noqa: PLR2004 - a curve that turned needs points on both sides
        return False
    best, last = max(capacities.values()), sorted(capacities)[-2:]
    return all(capacities[count] < _LOST * best for count in last)


def refine(capacities: Mapping[int, float]) -> int | None:
    """The next count worth a look: in the steepest gap beside one that is nearly the best."""
    counts, best = sorted(capacities), max(capacities.values())
    gaps: list[tuple[float, int]] = []
    for low, high in pairwise(counts):
        middle = round(math.sqrt(low * high))
        if low < middle < high and high / low > _CLOSE:
            nearer = max(capacities[low], capacities[high])
            slope = abs(math.log(max(capacities[low], 1e-9) / max(capacities[high], 1e-9)))
            if nearer >= _NEAR * best and slope > 0.03:  # noqa: PLR2004 - equal ends hide nothing worth 3 %
                gaps.append((slope, middle))
    return max(gaps)[1] if gaps else None
