"""A simulated system as the tuner's target. Time passes in it, but nobody waits."""

import math
from collections.abc import Sequence

import numpy as np

from loadtests.tuner.measuring.second import Answers
from loadtests.tuner.model import Configuration, Limits, Measurement, Resources
from loadtests.tuner.simulator.latencies import answers, histogram
from loadtests.tuner.simulator.machine import USUAL, Machine
from loadtests.tuner.simulator.system import System

_MOOD = 240.0  # seconds until the machine's mood is another
_NEIGHBOURS = 30.0  # seconds until other programs take more or less
_LENGTH = 0.001  # seconds of the yardstick on a machine of its own
_EXPONENT = 2.5  # a server suffers more from its neighbours than the yardstick does
_OPEN = 5.0  # seconds after which an answer no longer counts as one


class SimulatedTarget:
    """`broken` collects the limits that a rolled out configuration exceeded: none, if the tuner is right."""

    name = "simulated"
    unit = "requests/s"
    services: Sequence[str] = ("app",)

    def __init__(self, system: System, seed: int, machine: Machine = USUAL) -> None:
        self.system, self.machine = system, machine
        self.broken: list[str] = []
        self.measurements = 0
        self.clock = 0.0
        self._source = np.random.default_rng(seed)
        self._mood = self._source.normal(0, system.noise.mood)
        self._boot = 0.0
        self._others = np.random.default_rng([seed, 1])
        self._taken = 0.0
        self._workers = 0

    @property
    def limits(self) -> Limits:
        return self.system.limits

    @property
    def spent(self) -> float:
        return self.clock

    def roll_out(self, configuration: Configuration) -> None:
        self.elapse(self.machine.start(self.clock))
        self._workers = configuration.total_workers
        self._boot = self._source.normal(0, self.system.noise.boot)
        if limit := self.system.breaks(configuration):
            self.broken.append(f"{configuration.label}: {limit}")

    def measure(self, rate: float, seconds: float, seed: int) -> Measurement:
        self.elapse(self.machine.load(self.clock, seconds))
        self.measurements += 1
        noise = self.system.noise
        speed = math.exp(
            self._mood
            + self._boot
            + noise.drift * self.clock / 3600
            - self._taken
            - math.log(self.machine.slowness(self.clock))
            + self._source.normal(0, noise.measurement)
        )
        queue = self.system.queue(self._workers, speed)
        latencies = queue.sample(rate, seconds, np.random.default_rng(seed))
        good = latencies[latencies <= _OPEN]
        over = max(0.0, rate / queue.throughput - 1)
        answered = min(rate, queue.throughput * max(0.0, 1 - self.system.collapses * over))
        return Measurement(
            offered=rate,
            sent=rate,
            answered=answered,
            seconds=seconds,
            seed=seed,
            latencies=histogram(good),
            unfinished=len(latencies) - len(good),
            resources=self._resources(answered, self._yardstick()),
        )

    def ask_otherwise(self, rate: float, seconds: float, seed: int) -> tuple[Answers, float | None]:
        """By the second generator, which sees the same."""
        taken = self.measure(rate, seconds, seed)
        return answers(taken), taken.resources.yardstick

    def close(self) -> None:
        self._workers = 0

    def _yardstick(self) -> float | None:
        if not self.system.noise.neighbours:
            return None
        return _LENGTH * math.exp(self._taken / _EXPONENT + self._others.normal(0, 0.01))

    def _resources(self, answered: float, length: float | None) -> Resources:
        system, workers = self.system, self._workers
        hot = (1 + system.uneven * (workers - 1)) / workers
        others = [(1 - hot) / (workers - 1)] * (workers - 1) if workers > 1 else []
        database = 0.0 if math.isinf(system.database) else answered / system.database
        loss = 1 + system.contention * (workers - 1) + system.coherency * workers * (workers - 1)
        pss = system.memory_of(workers) * math.exp(self._source.normal(0, 0.003))
        return Resources(
            app_cpus=min(answered * system.cpu * loss * math.exp(self._taken), system.cores, workers),
            database_cpus=database,
            generator_cpus=0.2,
            throttled=0.0,
            steal=0.0,
            yardstick=length,
            pss=int(pss),
            worker_pss=int(system.memory * math.exp(abs(self._source.normal(0, 0.003)))),
            database_connections=workers * system.limits.connections_per_worker.get("app", 0),
            worker_shares={"app": [hot, *others]},
        )

    def elapse(self, seconds: float) -> None:
        """Time in which nothing is measured."""
        self.clock += seconds
        kept = math.exp(-seconds / _MOOD)
        fresh = self._source.normal(0, self.system.noise.mood)
        self._mood = kept * self._mood + math.sqrt(1 - kept**2) * fresh
        kept = math.exp(-seconds / _NEIGHBOURS)
        fresh = self._others.normal(0, self.system.noise.neighbours)
        self._taken = kept * self._taken + math.sqrt(1 - kept**2) * fresh
