"""Which configurations can be run at all: by what is known of workers, connections and memory."""

import math

from loadtests.tuner.model import Configuration, Limits, Measurement

_SAFETY = 1.01  # measured memory may grow by this much
_STEP_SAFETY = 1.05  # and a further worker's be larger by this much


class Feasible:
    """Learns the memory of a worker from the measurements; the smallest counts must be measured first."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._pss: dict[int, int] = {}
        self._seen: dict[Configuration, int] = {}
        self._worker: int | None = None

    def learn(self, configuration: Configuration, taken: Measurement) -> None:
        if taken.resources.pss is not None:
            workers = configuration.total_workers
            self._seen[configuration] = max(self._seen.get(configuration, 0), taken.resources.pss)
            self._pss[workers] = max(self._pss.get(workers, 0), taken.resources.pss)
        if taken.resources.worker_pss is not None:
            self._worker = max(self._worker or 0, taken.resources.worker_pss)

    def refusal(self, configuration: Configuration) -> str | None:
        """Why it must not be run; None if it may."""
        return self._workers(configuration) or self._connections(configuration) or self._memory(configuration)

    def _workers(self, configuration: Configuration) -> str | None:
        most = self.limits.max_workers
        if most is not None and any(count > most for _, count in configuration.workers):
            return f"more than {most} workers"
        return None

    def _connections(self, configuration: Configuration) -> str | None:
        """A knob named pool is the pool of each worker; services without any connections have none."""
        pool, each = dict(configuration.knobs).get("pool"), self.limits.connections_per_worker
        needed = {
            name: count * (int(pool) if pool and (name in each or not each) else each.get(name, 0))
            for name, count in configuration.workers
        }
        together, one = self.limits.database_connections, self.limits.connections_per_service
        for name, wanted in needed.items():
            if one is not None and wanted > one:
                return f"{wanted} database connections of the {one} that {name} may open"
        if together is not None and sum(needed.values()) > together:
            return f"{sum(needed.values())} database connections of {together}"
        return None

    def _memory(self, configuration: Configuration) -> str | None:
        if self.limits.memory is None:
            return None
        if configuration in self._seen:
            return None
        several = len(configuration.workers) > 1
        needed = self._beside(configuration) if several else self.memory(configuration.total_workers)
        if needed is None or needed <= self.limits.memory:
            return None
        return f"{_mib(needed)} MiB of memory of {_mib(self.limits.memory)}"

    def _beside(self, configuration: Configuration) -> float | None:
        """Bytes of several services: a smaller configuration's, and the largest worker for each more."""
        if self._worker is None:
            return None
        counts = dict(configuration.workers)
        needed = [
            pss * _SAFETY + self._worker * _STEP_SAFETY * (configuration.total_workers - seen.total_workers)
            for seen, pss in self._seen.items()
            if all(count <= counts.get(name, 0) for name, count in seen.workers)
        ]
        return min(needed, default=None)

    def memory(self, workers: int) -> float | None:
        """Bytes that so many may need: by a straight line through what was measured, a little above it.

        Where only one count was measured, a further worker adds the largest worker's memory, or all of it.
        """
        if not self._pss:
            return None
        low, high = min(self._pss), max(self._pss)
        more = workers - high
        if low == high:
            each = float(self._worker or self._pss[low])
        else:
            each = max(0.0, (self._pss[high] - self._pss[low]) / (high - low))
        return self._pss[high] * _SAFETY + each * more * (_STEP_SAFETY if more > 0 else 1)


def _mib(size: float) -> int:
    return math.ceil(size / 1024**2)
