"""What holds a configuration back at its capacity."""

from collections.abc import Iterator
from dataclasses import dataclass

from loadtests.tuner.model import Configuration, Limits, Measurement

_BUSY = 0.85  # of what it may use: this is the limit
_HOT = 1.5  # times its fair share
_GENERATOR = 0.8  # CPUs; above this the generator is not trusted
_THROTTLED = 0.05  # of the time


@dataclass(frozen=True, slots=True)
class Bottleneck:
    kind: str  # generator, app CPU, hot worker, database, workers' CPU, waiting, unknown
    because: str


def find(
    taken: Measurement, configuration: Configuration, limits: Limits, database: float = 1.0
) -> Bottleneck:
    """The first that applies, those with the clearest remedy first. `database`: CPUs that it may use."""
    return next(_all(taken, configuration, limits, database))


def _all(
    taken: Measurement, configuration: Configuration, limits: Limits, database: float
) -> Iterator[Bottleneck]:
    seen, workers = taken.resources, configuration.total_workers
    if seen.generator_cpus is not None and seen.generator_cpus > _GENERATOR:
        yield Bottleneck("generator", f"the generator used {seen.generator_cpus:.2f} CPUs")
    if seen.app_cpus is not None and seen.app_cpus > _BUSY * limits.cpus:
        yield Bottleneck("app CPU", f"the application used {seen.app_cpus:.2f} of {limits.cpus:g} CPUs")
    if seen.throttled is not None and seen.throttled > _THROTTLED:
        yield Bottleneck("app CPU", f"its cgroup was throttled {seen.throttled:.0%} of the time")
    if seen.database_cpus is not None and seen.database_cpus > _BUSY * database:
        yield Bottleneck("database", f"the database used {seen.database_cpus:.2f} of {database:g} CPUs")
    if (hottest := _hottest(taken)) > _HOT:
        yield Bottleneck("hot worker", f"one worker got {hottest:.1f} times its fair share of the requests")
    if seen.app_cpus is None:
        yield Bottleneck("unknown", "the target's CPU could not be read")
    elif seen.app_cpus > _BUSY * workers:
        yield Bottleneck("workers' CPU", f"{workers} worker(s) used {seen.app_cpus:.2f} CPUs")
    else:
        used = f"the application used {seen.app_cpus:.2f} of {limits.cpus:g} CPUs"
        yield Bottleneck("waiting", f"{used}: it waits for something else")


def _hottest(taken: Measurement) -> float:
    """How many times its fair share the busiest worker got."""
    shares = [of for of in taken.resources.worker_shares.values() if of]
    return max((max(of) * len(of) for of in shares), default=1.0)
