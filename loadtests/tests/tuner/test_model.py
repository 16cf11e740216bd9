"""The words that both halves of the tuner share."""

import random

import numpy as np
import pytest

from loadtests.tuner.histogram import Histogram
from loadtests.tuner.model import Configuration, Measurement, Slo
from loadtests.tuner.simulator.latencies import histogram


def test_a_percentile_is_at_most_one_percent_off() -> None:
    source = random.Random(1)  # noqa: S311 - statistics, not secrets
    values = sorted(source.expovariate(20) for _ in range(20_000))
    histogram = Histogram.of(values)
    for percent in (50, 95, 99, 99.9):
        exact = values[int(percent / 100 * len(values)) - 1]
        assert exact <= histogram.percentile(percent) * 1.0001 <= exact * 1.011


def test_no_sample_is_no_fast_answer() -> None:
    assert Histogram().percentile(99) == float("inf")


def test_histograms_add_up() -> None:
    both = Histogram.of([0.01, 0.02]) + Histogram.of([0.02, 5])
    assert both == Histogram.of([0.01, 0.02, 0.02, 5])
    assert (both.total, both.slower_than(1)) == (4, 1)


def test_a_latency_at_the_limit_is_not_slow() -> None:
    assert Histogram.of([0.25, 0.25, 0.26]).slower_than(0.25) == 1


def test_a_simulation_counts_as_a_generator_does() -> None:
    values = np.random.default_rng(1).exponential(0.1, 10_000)
    assert histogram(values) == Histogram.of(values.tolist())


def test_zero_seconds_is_a_latency() -> None:
    assert Histogram.of([0.0]).percentile(100) == pytest.approx(1e-5)


def test_what_was_not_answered_is_slow() -> None:
    taken = Measurement(10, 10, 0.7, 10, 1, Histogram.of([0.1, 0.1, 9]), errors=1, unsent=2, unfinished=4)
    assert (taken.requests, taken.slow(Slo(0.25))) == (10, 8)
    assert taken.goodput(Slo(0.25)) == pytest.approx(0.2)


def test_equal_configurations_are_one_key() -> None:
    assert Configuration.of({"b": 1, "a": 2}, pool=5) == Configuration.of({"a": 2, "b": 1}, pool="5")
    assert Configuration.of({"b": 1, "a": 2}).label == "a=2 b=1"
    assert Configuration.of(4, pool=5).label == "4 pool=5"
