"""Medians, and ratios with their uncertainty."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median, stdev
from typing import Final

import numpy as np

# Student's t, 97.5 %, for 1 to 30 degrees of freedom (any table of it).
_T = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


RESAMPLES: Final = 1000


@dataclass(frozen=True, slots=True)
class Ratio:
    """The median of the rounds' ratios, and a 95 % interval for the typical (geometric mean) ratio.

    Of pooled rounds: the ratio itself, and its interval.
    """

    median: float
    low: float
    high: float


def paired_ratio(ours: Sequence[float], theirs: Sequence[float]) -> Ratio:
    """`ours` over `theirs`, round by round, so that what disturbs a whole round disturbs both.

    The interval is Student's t on the logarithms: ratios multiply, and a handful of rounds is too few for a
    bootstrap, which would be too sure of itself. Raises ValueError for fewer than two rounds.
    """
    ratios = [our / their for our, their in zip(ours, theirs, strict=True)]
    if len(ratios) < 2:  # noqa: PLR2004 - one ratio has no spread
        raise ValueError("an interval needs at least two rounds")
    logs = [math.log(ratio) for ratio in ratios]
    margin = student_t(len(logs) - 1) * stdev(logs) / math.sqrt(len(logs))
    centre = fmean(logs)
    return Ratio(median(ratios), math.exp(centre - margin), math.exp(centre + margin))


def pooled_ratio(ours: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]], share: float) -> Ratio:
    """Of two quantiles, each taken of all rounds' values together: one round has too few in its tail.

    The interval is a bootstrap of whole rounds, ours and theirs together, since what slows one value down
    slows its neighbours down too. Raises ValueError for fewer than two rounds.
    """
    if len(ours) < 2:  # noqa: PLR2004 - one round has no spread
        raise ValueError("an interval needs at least two rounds")
    pairs = [(np.asarray(our), np.asarray(their)) for our, their in zip(ours, theirs, strict=True)]

    def ratio(drawn: Sequence[int]) -> float:
        our, their = zip(*(pairs[place] for place in drawn), strict=True)
        return quantile(our, share) / quantile(their, share)

    draw = np.random.default_rng(1)
    ratios = [ratio(draw.integers(len(pairs), size=len(pairs)).tolist()) for _ in range(RESAMPLES)]
    low, high = np.quantile(ratios, (0.025, 0.975))
    return Ratio(ratio(range(len(pairs))), float(low), float(high))


def quantile(rounds: Sequence[Sequence[float]], share: float) -> float:
    """Of all rounds' values together; one of them."""
    values = np.concatenate(rounds)
    place = min(int(len(values) * share), len(values) - 1)
    return float(np.partition(values, place)[place])


def student_t(degrees: int) -> float:
    """The two-sided 95 % quantile; beyond the table that of the normal distribution."""
    return _T[degrees - 1] if degrees <= len(_T) else 1.96
