"""What the tuner decides about and what it asks of a target. The measuring and the deciding half meet here.

Units everywhere: seconds, requests per second, bytes, CPUs (1.0 is one core busy all the time).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from loadtests.tuner.histogram import Histogram

AS_IT_RUNS = "as it runs"  # stands for the service of a target that cannot be reconfigured


@dataclass(frozen=True, slots=True, order=True)
class Configuration:
    """Worker processes of each service, and other settings by name. One application has one service, `app`.

    Sorted pairs instead of mappings, so that a configuration can be a key. Build one by `of`.
    """

    workers: tuple[tuple[str, int], ...]
    knobs: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, workers: int | Mapping[str, int], **knobs: object) -> "Configuration":
        counts = {"app": workers} if isinstance(workers, int) else workers
        return cls(
            tuple(sorted(counts.items())), tuple(sorted((name, str(value)) for name, value in knobs.items()))
        )

    @property
    def total_workers(self) -> int:
        return sum(count for _, count in self.workers)

    @property
    def label(self) -> str:
        """Such as `4`, `gateway=2 items=1` or `4 pool=5`."""
        only = len(self.workers) == 1
        if only and self.workers[0][0] == AS_IT_RUNS:
            return AS_IT_RUNS
        counts = [str(count) if only else f"{name}={count}" for name, count in self.workers]
        return " ".join([*counts, *(f"{name}={value}" for name, value in self.knobs)])


@dataclass(frozen=True, slots=True)
class Slo:
    """`percentile` of all requests sent must be answered well within `latency`; at most `errors` may fail.

    An error, an unsent and an unfinished request all count as failed, and also as slow.
    """

    latency: float
    percentile: float = 99.0
    errors: float = 0.001  # share of the requests

    @property
    def slow(self) -> float:
        """The share of the requests that may be slower than `latency`."""
        return 1 - self.percentile / 100


@dataclass(frozen=True, slots=True)
class Limits:
    """What a configuration must not exceed; None: not limited. `memory` is of all workers together."""

    cpus: float
    memory: int | None = None
    database_connections: int | None = None
    connections_per_worker: Mapping[str, int] = field(default_factory=dict)  # by service
    max_workers: int | None = None  # of any one service
    connections_per_service: int | None = None  # what its role may open in the database


@dataclass(frozen=True, slots=True)
class Resources:
    """Means over one measurement. A value that a target cannot read is None, never a guess."""

    app_cpus: float | None = None
    database_cpus: float | None = None
    generator_cpus: float | None = None
    throttled: float | None = None  # share of the time in which the cgroup was held back
    steal: float | None = None  # share of the time in which the hypervisor took the CPU
    mhz: float | None = None  # clock frequency, mean of the CPUs
    yardstick: float | None = None  # seconds of CPU time that a fixed piece of work took beside the load
    pss: int | None = None  # bytes, all processes of the application together
    worker_pss: int | None = None  # bytes, the largest worker process: what one more may add
    database_connections: int | None = None  # after the load
    service_cpus: Mapping[str, float] = field(default_factory=dict)  # of its workers, by service
    worker_shares: Mapping[str, Sequence[float]] = field(default_factory=dict)  # by service; sum to 1 each


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one load at one rate showed.

    `offered` is the schedule's rate, `sent` is what the generator achieved, `answered` counts good answers
    per second, however late. `latencies` are of good answers, from the *intended* start. In a `closed` loop
    `offered` is the number of users, and a latency counts from when its request was sent.
    """

    offered: float
    sent: float
    answered: float
    seconds: float
    seed: int
    latencies: Histogram
    errors: int = 0  # wrong status, wrong body, no answer
    unsent: int = 0  # the generator did not get round to them
    unfinished: int = 0  # no answer when the measurement ended
    resources: Resources = field(default_factory=Resources)
    invalid: tuple[str, ...] = ()  # why this says nothing about the target: generator too slow, steal, 429 …
    closed: bool = False
    wrong: Mapping[str, int] = field(default_factory=dict)  # errors by status; 0: no answer

    @property
    def valid(self) -> bool:
        return not self.invalid

    @property
    def kept(self) -> float:
        """The share of the offered load that was answered; users of a closed loop ask for no more."""
        return float(self.answered > 0) if self.closed else self.answered / self.offered

    @property
    def failed(self) -> int:
        return self.errors + self.unsent + self.unfinished

    @property
    def requests(self) -> int:
        return self.latencies.total + self.failed

    def slow(self, slo: Slo) -> int:
        """Requests that did not get a good answer within the SLO's latency."""
        return self.latencies.slower_than(slo.latency) + self.failed

    def goodput(self, slo: Slo) -> float:
        """Good answers within the SLO's latency, per second."""
        return (self.requests - self.slow(slo)) / self.seconds


class RollOutFailed(Exception):
    """The target does not start, or not all of its workers serve, in this configuration; says why."""


class Target(Protocol):
    """A system that can be started in a configuration and measured there. Calls come one at a time."""

    @property
    def name(self) -> str: ...

    @property
    def limits(self) -> Limits: ...

    @property
    def unit(self) -> str:
        """Of the load and of a capacity: requests/s, or users."""
        ...

    @property
    def services(self) -> Sequence[str]:
        """Those whose workers are tuned."""
        ...

    @property
    def spent(self) -> float:
        """Seconds that all roll-outs and measurements took so far."""
        ...

    def roll_out(self, configuration: Configuration) -> None:
        """Stop what runs, reset the state, start afresh, warm up, and return when every worker has served.

        Raises RollOutFailed.
        """
        ...

    def measure(self, rate: float, seconds: float, seed: int) -> Measurement:
        """Send `rate` requests per second on an open-loop schedule made from `seed`.

        The target is left idle before it returns (requests still open are cancelled and count as
        unfinished). Never raises for what the target does wrong: that is in the measurement.
        """
        ...

    def close(self) -> None:
        """Stop everything that was started."""
        ...
