"""Latencies in buckets 1 % wide: bounded memory, mergeable, exact enough for any percentile."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

STEP = math.log(1.01)
SMALLEST = 1e-5  # seconds; everything faster counts as this


def _bucket(seconds: float) -> int:
    return math.ceil(math.log(max(seconds, SMALLEST) / SMALLEST) / STEP)


@dataclass(frozen=True, slots=True)
class Histogram:
    """`counts` maps a bucket to how many latencies fell into it; build one by `of`, not by hand."""

    counts: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, latencies: Iterable[float]) -> "Histogram":
        """Of latencies in seconds, measured from the intended start.

        Without numpy: importing it would be half of a generator's start, and one is started for each load.
        """
        return cls(dict(Counter(map(_bucket, latencies))))

    def __add__(self, other: "Histogram") -> "Histogram":
        return Histogram(dict(Counter(self.counts) + Counter(other.counts)))

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def percentile(self, percent: float) -> float:
        """In seconds, at most 1 % too high; infinite without any sample."""
        rank, seen = percent / 100 * self.total, 0
        for bucket in sorted(self.counts):
            seen += self.counts[bucket]
            if seen >= rank:
                return SMALLEST * math.exp(bucket * STEP)
        return math.inf

    def slower_than(self, seconds: float) -> int:
        """How many took longer; those within 1 % of `seconds` count as slower or not by their bucket."""
        limit = _bucket(seconds)
        return sum(count for bucket, count in self.counts.items() if bucket > limit)
