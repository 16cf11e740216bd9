"""What one load is asked to do, and what happened: a generator reads the one as JSON and writes the other."""

import resource
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from loadtests.tuner.histogram import Histogram
from loadtests.tuner.measuring.requests import Request

RECYCLE = 0.05  # of the requests close their connection, so that keep-alive pins no worker
TOO_MANY = 429
SLACK = 0.1  # seconds; what is due at the very end may start a little later


@dataclass(frozen=True, slots=True)
class Load:
    """`connections` is the most at once, `spread` how many take turns; `patience` is how long an answer is
    waited for after the last request was due. `values` fill the placeholders of the requests by name.
    """

    port: int
    rate: float
    seconds: float
    seed: int
    requests: Sequence[Request]
    connections: int = 256
    spread: int = 64
    patience: float = 2.0
    even: bool = False  # constant gaps instead of a Poisson process
    values: Mapping[str, Sequence[str]] = field(default_factory=dict)
    locustfile: str = ""  # instead of requests, which `locust_load.py` then sends
    open_loop: bool = True  # else `rate` is the number of users
    base: str = ""  # URL of the target; on this machine at `port` where there is none

    @property
    def count(self) -> int:
        """Of the requests, in an open loop."""
        return round(self.rate * self.seconds)

    @property
    def url(self) -> str:
        return self.base or f"http://127.0.0.1:{self.port}"


@dataclass(slots=True)
class Result:
    """`due` is the whole schedule; the generator handled `sent` of it in time; `started` had a connection.

    `lag` is by how much the generator itself was late, 99th percentile, in seconds. A request that waits for
    a connection is late because of the target, and that wait is in its latency.
    """

    latencies: dict[str, int] = field(default_factory=dict)
    due: int = 0
    sent: int = 0
    started: int = 0
    errors: int = 0
    refused: int = 0  # 429: a rate limit, which says nothing about capacity
    unfinished: int = 0
    lag: float = 0.0
    cpus: float = 0.0
    elapsed: float = 0.0  # seconds until nothing was open any more
    answered_in_time: int = 0  # before the load ended
    opened: int = 0  # connections
    wrong: dict[str, int] = field(default_factory=dict)  # how often each wrong status came
    objection: str = ""  # why there was no load at all

    @property
    def histogram(self) -> Histogram:
        return Histogram({int(bucket): count for bucket, count in self.latencies.items()})

    @property
    def median(self) -> float:
        return self.histogram.percentile(50)


def more_files() -> None:
    """As many as this process may have: each connection is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536), hard))
