"""A simulated application on a simulated machine, and the true capacity of each of its configurations."""

import math
from dataclasses import dataclass, field

from loadtests.tuner.model import Configuration, Limits, Slo
from loadtests.tuner.simulator.queue import Queue

_MIB = 1024**2


@dataclass(frozen=True, slots=True)
class Noise:
    """Standard deviations of the speed's logarithm; `drift` is its change in an hour."""

    boot: float = 0.01
    measurement: float = 0.01
    mood: float = 0.02  # slow changes that all measurements of some minutes share
    drift: float = 0.0
    neighbours: float = (
        0.0  # what other programs take, from one half minute to the next; a yardstick shows it
    )


@dataclass(frozen=True, slots=True)
class System:
    """`blocking` workers are held while they wait for I/O; others serve meanwhile.

    `uneven` is 0 when all workers get equal shares and 1 when one of them gets everything.
    """

    cores: int
    cpu: float = 0.01  # seconds of CPU per request
    wait: float = 0.0  # seconds of waiting per request
    blocking: bool = False
    contention: float = 0.0
    coherency: float = 0.0
    uneven: float = 0.0
    database: float = math.inf  # requests per second
    memory: int = 60 * _MIB  # of one worker
    shared_memory: int = 30 * _MIB
    collapses: float = 0.0  # share of the throughput lost per fold of overload
    noise: Noise = field(default_factory=Noise)
    limits: Limits = field(default_factory=lambda: Limits(1))

    def queue(self, workers: int, speed: float = 1.0) -> Queue:
        held = self.cpu + (self.wait if self.blocking else 0.0)
        busy = min(workers / (1 + self.uneven * (workers - 1)), self.cores * held / self.cpu)
        loss = 1 + self.contention * (workers - 1) + self.coherency * workers * (workers - 1)
        servers = max(1, math.floor(busy))
        service = held * loss * servers / busy / speed
        return Queue(servers, service, 0.0 if self.blocking else self.wait, self.database * speed)

    def capacity(self, workers: int, slo: Slo) -> float:
        """The highest rate that meets the SLO, without noise; 0 if none does."""
        queue = self.queue(workers)
        low, high = 0.0, queue.throughput
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (
                (middle, high) if queue.share_slower(middle, slo.latency) <= slo.slow else (low, middle)
            )
        return low

    def memory_of(self, workers: int) -> int:
        return self.shared_memory + workers * self.memory

    def breaks(self, configuration: Configuration) -> str | None:
        """Which limit the configuration exceeds."""
        workers, limits = configuration.total_workers, self.limits
        connections = workers * limits.connections_per_worker.get("app", 0)
        if limits.memory is not None and self.memory_of(workers) > limits.memory:
            return "memory"
        if limits.database_connections is not None and connections > limits.database_connections:
            return "database connections"
        if limits.max_workers is not None and workers > limits.max_workers:
            return "workers"
        return None

    def best(self, slo: Slo, largest: int) -> tuple[int, float]:
        """The best allowed worker count up to `largest`, the smallest of equals, and its capacity.

        A count is searched only if it meets the SLO at the best capacity so far.
        """
        counts = [n for n in range(1, largest + 1) if self.breaks(Configuration.of(n)) is None]
        queues = {n: self.queue(n) for n in counts}
        first, *others = sorted(counts, key=lambda n: -queues[n].throughput)
        best = (self.capacity(first, slo), -first)
        for n in others:
            if queues[n].share_slower(best[0], slo.latency) <= slo.slow:
                best = max(best, (self.capacity(n, slo), -n))
        return -best[1], best[0]
