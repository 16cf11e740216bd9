"""What holds an application back is named from what was read, and only from that."""

import pytest

from loadtests.tuner.bottleneck import find
from loadtests.tuner.histogram import Histogram
from loadtests.tuner.model import Configuration, Limits, Measurement, Resources


@pytest.mark.parametrize(
    ("resources", "kind"),
    [
        (Resources(app_cpus=1.9, generator_cpus=0.95), "generator"),
        (Resources(app_cpus=1.8), "app CPU"),
        (Resources(app_cpus=1.0, throttled=0.3), "app CPU"),
        (Resources(app_cpus=0.4, database_cpus=0.97), "database"),
        (Resources(app_cpus=0.9, worker_shares={"app": [0.7, 0.1, 0.1, 0.1]}), "hot worker"),
        (Resources(app_cpus=0.3), "waiting"),
        (Resources(), "unknown"),
    ],
)
def test_the_bottleneck_of_four_workers_on_two_cpus(resources: Resources, kind: str) -> None:
    taken = Measurement(1, 1, 1, 1, 1, Histogram(), resources=resources)
    assert find(taken, Configuration.of(4), Limits(2)).kind == kind


def test_one_worker_that_is_busy_needs_a_second() -> None:
    taken = Measurement(1, 1, 1, 1, 1, Histogram(), resources=Resources(app_cpus=0.95))
    assert find(taken, Configuration.of(1), Limits(2)).kind == "workers' CPU"
