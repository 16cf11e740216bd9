"""What every target has: loads by the generator, and what the application used meanwhile."""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

from loadtests.tuner.histogram import Histogram
from loadtests.tuner.measuring import guards, machine
from loadtests.tuner.measuring.app import App
from loadtests.tuner.measuring.generate import generate, generate_otherwise
from loadtests.tuner.measuring.load import Load, Result
from loadtests.tuner.measuring.processes import Use
from loadtests.tuner.measuring.second import Answers
from loadtests.tuner.measuring.yardstick import yardstick
from loadtests.tuner.model import Configuration, Limits, Measurement, Resources

WARM_UP = 1.0  # seconds of one step
WARM_UPS = 6
STABLE = 0.8  # times the median latency of the step before
_TURNS = 20  # connections per worker that take turns
_USERS = 1000  # of an open loop with a locustfile, at most


class Loaded(ABC):
    """`limit` is the generator's calibrated rate, above which nothing is measured."""

    services: Sequence[str] = ("app",)

    def __init__(self, app: App) -> None:
        self.app = app
        self.limit: float | None = None
        self._begun = time.perf_counter()
        self.values = dict(app.values)
        self._port = 0
        self._counts = {"app": 1}

    @property
    def name(self) -> str:
        return self.app.name

    @property
    def unit(self) -> str:
        return self.app.unit

    @property
    def spent(self) -> float:
        """Everything counts, the generator's test and the decisions too."""
        return time.perf_counter() - self._begun

    @property
    def limits(self) -> Limits:
        return self.app.limits

    def make_ready(self) -> None:  # noqa: B027 - most have nothing
        """What all starts share, made once: its time is not the price of a start."""

    def measure(self, rate: float, seconds: float, seed: int) -> Measurement:
        load = self._load(rate, seconds, seed)
        if refused := tuple(guards.before(load, self.limit)):
            return Measurement(rate, 0, 0, seconds, seed, Histogram(), invalid=refused)
        before, first = self._use(), machine.moment(self.app.target_cpus)
        with yardstick(self.app.target_cpus | self.app.load_cpus) as mood:
            done = generate(load, self.app.load_cpus)
        after, during = self._use(), machine.between(first, machine.moment(self.app.target_cpus))
        return Measurement(
            offered=rate if load.open_loop else max(1, round(rate)),
            sent=done.sent / seconds,
            answered=done.answered_in_time / seconds,
            seconds=seconds,
            seed=seed,
            latencies=done.histogram,
            errors=done.errors,
            unsent=done.due - done.started,
            unfinished=done.unfinished,
            resources=replace(self._resources(before, after, done, during), yardstick=mood.seconds),
            invalid=tuple(guards.after(done, self.app.slo, during.steal)),
            closed=not load.open_loop,
            wrong=done.wrong,
        )

    @abstractmethod
    def roll_out(self, configuration: Configuration) -> None:
        """Raises RollOutFailed."""

    @abstractmethod
    def close(self) -> None:
        """Stops what `roll_out` has started."""

    def ask_otherwise(self, rate: float, seconds: float, seed: int) -> tuple[Answers, float | None]:
        """By the second generator, with the yardstick meanwhile; what runs is left as it is."""
        with yardstick(self.app.target_cpus | self.app.load_cpus) as mood:
            done = generate_otherwise(self._load(rate, seconds, seed), self.app.load_cpus)
        return done, mood.seconds

    def _load(self, rate: float, seconds: float, seed: int) -> Load:
        turns, mine = _TURNS * self._workers, self.app.locustfile
        # As many users of an open loop as are busy at four times the SLO's latency.
        users = min(_USERS, max(turns, math.ceil(4 * rate * self.app.slo.latency)))
        return Load(
            self._port,
            rate,
            seconds,
            seed,
            list(self.app.requests),
            connections=users if mine else max(256, turns),
            spread=min(turns, 16 + math.ceil(3 * rate)),  # servers close connections that are idle for long
            values=self.values,
            base=self.app.url,
            locustfile=mine.path if mine else "",
            open_loop=mine.open_loop if mine else True,
        )

    def _resources(self, before: Use, after: Use, done: Result, during: machine.During) -> Resources:
        """A worker's share is that of its service's CPU time, which needs no help from the application."""
        by_service: dict[str, list[float]] = {}
        for pid, cpu in after.workers.items():
            service = self._service(after.modules[pid])
            if service is not None:
                by_service.setdefault(service, []).append(max(0.0, cpu - before.workers.get(pid, 0.0)))
        if not after.workers:  # it cannot be seen
            return Resources(generator_cpus=done.cpus, steal=during.steal, mhz=during.mhz)
        cpu, database = max(0.0, after.cpu - before.cpu), max(0.0, after.database - before.database)
        return Resources(
            app_cpus=cpu / done.elapsed,
            database_cpus=database / done.elapsed,
            generator_cpus=done.cpus,
            throttled=during.throttled,
            steal=during.steal,
            mhz=during.mhz,
            pss=after.pss,
            worker_pss=after.largest,
            database_connections=after.connections or None,
            service_cpus={name: sum(used) / done.elapsed for name, used in by_service.items()},
            worker_shares={
                name: [cpu / sum(used) for cpu in used] for name, used in by_service.items() if sum(used) > 0
            },
        )

    @property
    def _workers(self) -> int:
        return sum(self._counts.values())

    def _use(self) -> Use:
        """What the application used so far; nothing, where that cannot be seen."""
        return Use()

    def _service(self, _module: str) -> str | None:
        """The service whose worker runs this module; None if it is none."""
        return "app"
