"""A chain of simulated services on one machine: each journey passes all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from loadtests.tuner.measuring.second import Answers
from loadtests.tuner.model import Configuration, Limits, Measurement, Resources, Slo
from loadtests.tuner.simulator.latencies import answers, histogram
from loadtests.tuner.simulator.machine import INSTANT, Machine
from loadtests.tuner.simulator.queue import Queue

_OPEN = 5.0  # seconds after which an answer no longer counts as one


@dataclass(frozen=True, slots=True)
class Chain:
    """`cpu` are seconds of a journey in each service. Asynchronous workers; all share the limits' CPUs."""

    cpu: Mapping[str, float]
    memory: Mapping[str, int]  # bytes of a worker, by service
    limits: Limits
    noise: float = 0.01  # standard deviation of a boot's speed

    def sample(
        self,
        configuration: Configuration,
        rate: float,
        seconds: float,
        speed: float,
        source: np.random.Generator,
    ) -> NDArray[np.float64]:
        """Each service is a queue of its own, and the CPUs are one more that everybody passes."""
        cpus = int(self.limits.cpus)
        queues = [Queue(min(n, cpus), self.cpu[name] / speed) for name, n in configuration.workers]
        shared = Queue(cpus, sum(self.cpu.values()) / speed)
        waits = shared.sample(rate, seconds, source)
        waits -= source.exponential(shared.service, len(waits))
        return sum((queue.sample(rate, seconds, source) for queue in queues), np.maximum(waits, 0.0))

    def capacity(self, configuration: Configuration, slo: Slo) -> float:
        """Without noise, from many samples of the same seed; 0 for what breaks a limit."""
        if self.breaks(configuration):
            return 0.0
        low, high = 0.0, self.limits.cpus / sum(self.cpu.values()) * 1.1
        for _ in range(14):
            rate = (low + high) / 2
            low, high = (rate, high) if self.meets(configuration, rate, slo) else (low, rate)
        return low

    def meets(self, configuration: Configuration, rate: float, slo: Slo) -> bool:
        """Without noise."""
        taken = self.sample(configuration, rate, 40_000 / rate, 1.0, np.random.default_rng(1))
        return float((taken > slo.latency).mean()) <= slo.slow

    def breaks(self, configuration: Configuration) -> str | None:
        limits = self.limits
        used = sum(self.memory[name] * count for name, count in configuration.workers)
        pools = limits.connections_per_worker
        connections = sum(pools.get(name, 0) * count for name, count in configuration.workers)
        if limits.memory is not None and used > limits.memory:
            return "memory"
        if limits.database_connections is not None and connections > limits.database_connections:
            return "database connections"
        return None


class ChainTarget:
    """`broken` collects the limits that a rolled out configuration exceeded."""

    name = "a simulated chain"
    unit = "requests/s"

    def __init__(self, chain: Chain, seed: int, machine: Machine = INSTANT) -> None:
        self.chain, self.machine = chain, machine
        self.broken: list[str] = []
        self.measurements = 0
        self.spent = 0.0
        self._source = np.random.default_rng(seed)
        self._speed = 1.0
        self._running = Configuration.of(dict.fromkeys(chain.cpu, 1))

    @property
    def limits(self) -> Limits:
        return self.chain.limits

    @property
    def services(self) -> Sequence[str]:
        return sorted(self.chain.cpu)

    def elapse(self, seconds: float) -> None:
        """Time in which nothing is measured."""
        self.spent += seconds

    def roll_out(self, configuration: Configuration) -> None:
        self.spent += self.machine.start(self.spent)
        self._running = configuration
        self._speed = float(np.exp(self._source.normal(0, self.chain.noise)))
        if limit := self.chain.breaks(configuration):
            self.broken.append(f"{configuration.label}: {limit}")

    def measure(self, rate: float, seconds: float, seed: int) -> Measurement:
        self.measurements += 1
        self.spent += self.machine.load(self.spent, seconds)
        speed = (
            self._speed
            / self.machine.slowness(self.spent)
            * float(np.exp(self._source.normal(0, self.chain.noise)))
        )
        taken = self.chain.sample(self._running, rate, seconds, speed, np.random.default_rng(seed))
        good = taken[taken <= _OPEN]
        most = min(
            self.limits.cpus / sum(self.chain.cpu.values()),
            *(count / self.chain.cpu[name] for name, count in self._running.workers),
        )
        answered = min(rate, most * speed)
        used = Resources(
            app_cpus=answered * sum(self.chain.cpu.values()),
            service_cpus={name: answered * cpu for name, cpu in self.chain.cpu.items()},
            pss=sum(self.chain.memory[name] * count for name, count in self._running.workers),
            worker_pss=max(self.chain.memory.values()),
        )
        blank = Measurement(rate, rate, answered, seconds, seed, histogram(good), resources=used)
        return replace(blank, unfinished=len(taken) - len(good))

    def ask_otherwise(self, rate: float, seconds: float, seed: int) -> tuple[Answers, float | None]:
        """By the second generator, which sees the same."""
        return answers(self.measure(rate, seconds, seed)), None

    def close(self) -> None:
        self._speed = 1.0
