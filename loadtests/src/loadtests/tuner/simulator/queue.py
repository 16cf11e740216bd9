"""Time in a queue with several servers, a fixed delay and perhaps a database behind: exact and sampled.

Poisson arrivals, exponential service (M/M/c) and, in tandem, one exponential server for the database.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Queue:
    servers: int
    service: float  # seconds, mean
    delay: float = 0.0  # seconds, added to every request, holds no server
    database: float = math.inf  # requests per second that the database can do

    @property
    def throughput(self) -> float:
        return min(self.servers / self.service, self.database)

    def share_slower(self, rate: float, seconds: float) -> float:
        """The share of requests that take longer, in the steady state; 1 when there is none."""
        if rate >= self.throughput * 0.9999:
            return 1.0
        left = seconds - self.delay
        if left <= 0:
            return 1.0
        serve, drain = 1 / self.service, self.servers / self.service - rate
        behind = [] if math.isinf(self.database) else [self.database - rate]
        waits = waiting(self.servers, rate * self.service)
        return (1 - waits) * _tail([serve, *behind], left) + waits * _tail([serve, drain, *behind], left)

    def sample(self, rate: float, seconds: float, source: np.random.Generator) -> NDArray[np.float64]:
        """Latencies of the requests of `seconds`, in the order in which they were sent."""
        requests = max(1, round(rate * seconds))
        stable = min(rate, self.throughput * 0.9999)
        latencies = self.delay + source.exponential(self.service, requests)
        if not math.isinf(self.database):
            latencies += source.exponential(1 / max(self.database - stable, 1e-9), requests)
        waits = source.random(requests) < waiting(self.servers, stable * self.service)
        drain = max(self.servers / self.service - stable, 1e-9)
        grown = math.sqrt(2 * seconds / self.throughput)  # a queue's random walk from empty goes no further
        latencies += waits * source.exponential(min(1 / drain, max(grown, self.service)), requests)
        if rate > self.throughput:  # the backlog grows as long as the load lasts
            latencies += np.linspace(0, seconds, requests) * (rate / self.throughput - 1)
        return latencies


def waiting(servers: int, load: float) -> float:
    """Erlang's C: the share of requests that find all servers busy."""
    blocked = 1.0
    for count in range(1, servers + 1):
        blocked = load * blocked / (count + load * blocked)
    return blocked / (1 - load / servers * (1 - blocked)) if load < servers else 1.0


def _tail(rates: list[float], seconds: float) -> float:
    """P(sum of exponentials > seconds) for any rates, equal ones nudged apart."""
    apart = sorted(rates)
    for index, (before, after) in enumerate(pairwise(apart)):
        if after - before < 1e-3 * after:
            apart[index + 1] = before * 1.001 + 1e-9
    total = 0.0
    for index, rate in enumerate(apart):
        others = [other / (other - rate) for place, other in enumerate(apart) if place != index]
        total += math.prod(others) * math.exp(-rate * seconds)
    return min(1.0, max(0.0, total))
