"""Medians, and ratios with their uncertainty."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from statistics import fmean, median, stdev

import numpy as np

# Student's t, 97.5 %, for 1 to 30 degrees of freedom (any table of it).
_T = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ratio:
    """The median of the rounds' ratios, and a 95 % interval for the typical (geometric mean) ratio.

    Of `robust_ratio`: the pseudomedian, and its interval.
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


def robust_ratio(ours: Sequence[float], theirs: Sequence[float]) -> Ratio:
    """`ours` over `theirs`, round by round, for what one stall of the machine can make ten times as large.

    The Hodges–Lehmann estimate and its signed-rank interval (Hollander, Wolfe and Chicken, Nonparametric
    Statistical Methods, 3.2 and 3.3) on the logarithms: a wild round counts as one round, however wild.
    Below six rounds no such interval reaches 95 %: it spans all rounds. Raises ValueError for fewer than two.
    """
    logs = [math.log(our / their) for our, their in zip(ours, theirs, strict=True)]
    if len(logs) < 2:  # noqa: PLR2004 - one ratio has no spread
        raise ValueError("an interval needs at least two rounds")
    averages = sorted((one + other) / 2 for one, other in combinations_with_replacement(logs, 2))
    left_out = _signed_rank(len(logs))
    return Ratio(math.exp(median(averages)), math.exp(averages[left_out]), math.exp(averages[-1 - left_out]))


def _signed_rank(rounds: int) -> int:
    """How many averages an interval of 95 % leaves out at each end."""
    chance = np.array([1.0])  # of each sum, when each rank is taken or not
    for rank in range(1, rounds + 1):
        chance = (np.pad(chance, (0, rank)) + np.pad(chance, (rank, 0))) / 2
    return max(int(np.searchsorted(np.cumsum(chance), 0.025, side="right")) - 1, 0)


def student_t(degrees: int) -> float:
    """The two-sided 95 % quantile; beyond the table that of the normal distribution."""
    return _T[degrees - 1] if degrees <= len(_T) else 1.96
