"""How many requests a statement about a percentile needs, and what a count of slow ones shows."""

from enum import Enum

import scipy  # without scipy.stats, whose import takes a second of CPU time

CONFIDENCE = 0.95


class Shown(Enum):
    MET = "met"
    MISSED = "missed"
    OPEN = "open"


def highest_share(slow: int, total: int, confidence: float = CONFIDENCE) -> float:
    """Upper bound of the true share of slow requests (Clopper and Pearson, one-sided)."""
    return 1.0 if slow >= total else float(scipy.special.betaincinv(slow + 1, total - slow, confidence))


def lowest_share(slow: int, total: int, confidence: float = CONFIDENCE) -> float:
    """Lower bound of the true share of slow requests (Clopper and Pearson, one-sided)."""
    return 0.0 if slow == 0 else float(scipy.special.betaincinv(slow, total - slow + 1, 1 - confidence))


def samples_needed(slow: int, share: float = 0.01, confidence: float = CONFIDENCE) -> int:
    """The fewest requests that show, with `slow` slow ones among them, that less than `share` are slow."""
    low, high = slow + 1, 2 * (slow + 1)
    while highest_share(slow, high, confidence) > share:
        low, high = high, 2 * high
    while low < high:
        middle = (low + high) // 2
        if highest_share(slow, middle, confidence) > share:
            low = middle + 1
        else:
            high = middle
    return low


def shown(slow: int, total: int, share: float, confidence: float = CONFIDENCE) -> Shown:
    """Whether a true share of at most `share` is shown, refuted, or neither."""
    if highest_share(slow, total, confidence) <= share:
        return Shown.MET
    return Shown.MISSED if lowest_share(slow, total, confidence) > share else Shown.OPEN
