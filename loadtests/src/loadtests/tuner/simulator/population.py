"""Many different systems, by a seed: small and large machines, and every kind of bottleneck."""

import math
import random
from collections.abc import Iterator

from loadtests.tuner import candidates
from loadtests.tuner.model import Limits, Slo
from loadtests.tuner.simulator.system import Noise, System

_MIB = 1024**2
_CORES = (1, 2, 2, 2, 4, 4, 8, 8, 16, 32, 64, 128)


def population(count: int, seed: int) -> Iterator[tuple[System, Slo]]:
    """With an SLO at 2 to 8 times the 99th percentile of the idle system with a worker per core.

    Closer to the idle system the share of slow requests hardly depends on the rate.
    """
    source = random.Random(seed)  # noqa: S311 - a population, not a secret
    for _ in range(count):
        system = _system(source)
        queue = system.queue(system.cores)
        idle = queue.delay - math.log(0.01) * (queue.service + 1 / system.database)
        yield system, Slo(idle * source.uniform(2, 8))


def _system(source: random.Random) -> System:
    cores = source.choice(_CORES)
    cpu = 10 ** source.uniform(-2.7, -1.3)
    wait = cpu * source.choice((0, 0, 0.5, 1, 2, 4))
    blocking = source.random() < 0.4  # noqa: PLR2004 - about the share of synchronous applications
    contention = source.choice((0, 0.002, 0.01, 0.05))
    plain = cores / cpu / (1 + contention * (cores - 1))
    worker, shared = source.randint(40, 200) * _MIB, source.randint(0, 60) * _MIB
    pool = source.choice((0, 0, 5, 10))
    most = candidates.largest(Limits(cores))
    room = source.choice((None, None, 0.25, 0.5))
    return System(
        cores=cores,
        cpu=cpu,
        wait=wait,
        blocking=blocking,
        contention=contention,
        coherency=source.choice((0, 0, 1e-5, 1e-4, 1e-3 / math.sqrt(cores))),
        uneven=source.choice((0, 0, 0, 0.02, 0.1, 0.3)),
        database=source.choice((math.inf, math.inf, math.inf, plain * source.uniform(0.2, 0.9))),
        memory=worker,
        shared_memory=shared,
        noise=Noise(
            boot=source.uniform(0.002, 0.02),
            measurement=source.uniform(0.002, 0.015),
            mood=source.uniform(0.0, 0.03),
            drift=source.uniform(-0.05, 0.05),
        ),
        limits=Limits(
            cpus=cores,
            memory=None if room is None else shared + int(worker * max(2.5, room * most)),
            database_connections=None if not pool else max(pool, int(pool * most * source.uniform(0.3, 1.2))),
            connections_per_worker={"app": pool},
        ),
    )
