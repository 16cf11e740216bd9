"""Prometheus metrics of every service, gathered by each worker and right under several of them."""

from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Sequence
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

from shared.gathering import GATHERING

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

REQUESTS = Counter("http_requests_total", "Requests answered.", ["method", "route", "status"])
DURATION = Histogram(
    "http_request_duration_seconds",
    "Seconds from a request's arrival to the end of its answer.",
    ["method", "route"],
    buckets=BUCKETS,
)
IN_FLIGHT = Gauge("http_requests_in_flight", "Requests being worked on.", multiprocess_mode="livesum")


class Observations:
    """Durations by labels: for each bucket how many, then the sum of their seconds."""

    def __init__(self, buckets: tuple[float, ...] = BUCKETS) -> None:
        self._buckets = buckets
        self._seen: dict[tuple[Any, ...], list[float]] = {}

    def add(self, seconds: float, labels: tuple[Any, ...]) -> None:
        seen = self._seen.get(labels)
        if seen is None:
            seen = self._seen[labels] = [0.0] * (len(self._buckets) + 2)
        seen[bisect_left(self._buckets, seconds)] += 1
        seen[-1] += seconds

    def take(self) -> dict[tuple[Any, ...], list[float]]:
        """What was added since the last call."""
        seen, self._seen = self._seen, {}
        return seen


def observe(histogram: Histogram, counts: Sequence[float]) -> None:
    """Many observations at once: how many of each bucket, then their sum. It has no call for that."""
    for bucket, count in zip(histogram._buckets, counts[:-1], strict=True):
        if count:
            bucket.inc(count)
    histogram._sum.inc(counts[-1])


class Durations:
    """Observations of a histogram with labels, gathered: prometheus_client takes one at a time.

    Under several workers each of its values is a place in a mapped file, and one observation moves two.
    """

    def __init__(self, histogram: Histogram, buckets: tuple[float, ...] = BUCKETS) -> None:
        self._histogram = histogram
        self._seen = Observations(buckets)
        self.add = self._seen.add  # the same as `observe`, where the labels are a tuple already
        GATHERING.register(self.flush)

    def observe(self, seconds: float, *labels: str) -> None:
        self._seen.add(seconds, labels)

    def flush(self) -> None:
        for labels, counts in self._seen.take().items():
            observe(self._histogram.labels(*labels), counts)


class Counts:
    """Increments of a counter with labels, gathered."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._seen: Tally[tuple[str, ...]] = Tally()
        GATHERING.register(self.flush)

    def add(self, amount: int, *labels: str) -> None:
        self._seen[labels] += amount

    def flush(self) -> None:
        seen, self._seen = self._seen, Tally()
        for labels, amount in seen.items():
            self._counter.labels(*labels).inc(amount)


class RequestMetrics:
    """Rate, outcome and duration of requests, and how many are being worked on."""

    def __init__(self) -> None:
        self._seen = Observations()  # by method, route and status
        self._in_flight = 0
        self._touch = GATHERING.touch
        GATHERING.register(self.flush)

    def begin(self) -> None:
        self._in_flight += 1
        self._touch()

    def end(self, method: str, route: str, status: int, seconds: float) -> None:
        """`route` is a template, because labels must be few; `status` is 0 where no answer began."""
        self._in_flight -= 1
        self._seen.add(seconds, (method, route, status))
        self._touch()

    def flush(self) -> None:
        IN_FLIGHT.set(self._in_flight)
        for (given, route, status), counts in self._seen.take().items():
            method = given if given in METHODS else "other"
            REQUESTS.labels(method, route, str(status) if status else "aborted").inc(sum(counts[:-1]))
            observe(DURATION.labels(method, route), counts)


REQUEST_METRICS = RequestMetrics()
