"""A simulation's latencies as a histogram: by numpy, because there are millions."""

import numpy as np
from numpy.typing import NDArray

from loadtests.tuner.histogram import SMALLEST, STEP, Histogram
from loadtests.tuner.measuring.second import Answers
from loadtests.tuner.model import Measurement


def histogram(latencies: NDArray[np.float64]) -> Histogram:
    """As `Histogram.of`."""
    values = np.maximum(latencies, SMALLEST)
    found = np.ceil(np.log(values / SMALLEST) / STEP).astype(int)
    buckets, counts = np.unique(found, return_counts=True)
    return Histogram(dict(zip(buckets.tolist(), counts.tolist(), strict=True)))


def answers(taken: Measurement) -> Answers:
    """As the second generator says it."""
    counts = {str(bucket): count for bucket, count in taken.latencies.counts.items()}
    return Answers(taken.requests, taken.failed, latencies=counts)
