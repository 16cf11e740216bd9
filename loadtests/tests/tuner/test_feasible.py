"""Impossible configurations are known before they run; ladders and orders are what they say."""

from dataclasses import replace
from itertools import pairwise

from loadtests.tuner.candidates import ladder, refine, rules_of_thumb
from loadtests.tuner.feasible import Feasible
from loadtests.tuner.histogram import Histogram
from loadtests.tuner.model import Configuration, Limits, Measurement, Resources
from loadtests.tuner.order import order

MIB = 1024**2


def _used(pss: int | None) -> Measurement:
    return Measurement(1, 1, 1, 1, 1, Histogram(), resources=Resources(pss=pss))


def test_memory_is_predicted_from_the_counts_measured() -> None:
    feasible = Feasible(Limits(2, memory=500 * MIB))
    feasible.learn(Configuration.of(1), _used(150 * MIB))
    feasible.learn(Configuration.of(2), _used(200 * MIB))
    assert feasible.refusal(Configuration.of(7)) is None
    assert feasible.refusal(Configuration.of(8)) == "517 MiB of memory of 500"


def test_before_a_second_count_is_measured_a_worker_is_taken_at_its_largest() -> None:
    feasible = Feasible(Limits(2, memory=200 * MIB))
    used = Resources(pss=130 * MIB, worker_pss=50 * MIB)
    feasible.learn(Configuration.of(1), Measurement(1, 1, 1, 1, 1, Histogram(), resources=used))
    assert feasible.refusal(Configuration.of(2)) is None
    assert feasible.refusal(Configuration.of(3)) is not None


def test_memory_that_cannot_be_read_forbids_nothing() -> None:
    feasible = Feasible(Limits(2, memory=500 * MIB))
    feasible.learn(Configuration.of(1), _used(None))
    assert feasible.refusal(Configuration.of(99)) is None


def test_a_pool_size_counts_for_the_services_that_have_a_database() -> None:
    limits = Limits(2, connections_per_worker={"items": 5, "users": 5}, connections_per_service=40)
    feasible = Feasible(replace(limits, database_connections=60))
    counts = {"gateway": 9, "items": 4, "users": 1}
    assert feasible.refusal(Configuration.of(counts)) is None
    assert feasible.refusal(Configuration.of(counts, pool=10)) is None
    assert feasible.refusal(Configuration.of(counts, pool=11)) == (
        "44 database connections of the 40 that items may open"
    )
    assert feasible.refusal(Configuration.of({**counts, "users": 3}, pool=10)) == (
        "70 database connections of 60"
    )


def test_connections_are_counted_over_all_services() -> None:
    limits = Limits(2, database_connections=30, connections_per_worker={"users": 5, "items": 10})
    feasible = Feasible(limits)
    assert feasible.refusal(Configuration.of({"users": 2, "items": 2, "gateway": 9})) is None
    assert feasible.refusal(Configuration.of({"users": 3, "items": 2})) == "35 database connections of 30"


def test_a_pool_size_that_is_tried_counts_in_place_of_the_usual_one() -> None:
    feasible = Feasible(Limits(2, database_connections=30, connections_per_worker={"app": 10}))
    assert feasible.refusal(Configuration.of(4, pool=5)) is None
    assert feasible.refusal(Configuration.of(4)) is not None


def test_the_ladder_holds_every_rule_of_thumb_and_never_leaps() -> None:
    for cpus in (1, 2, 3, 8, 48, 128):
        counts = ladder(Limits(cpus))
        assert set(rules_of_thumb(Limits(cpus)).values()) <= set(counts)
        assert counts[0] == 1
        assert all(after <= max(before + 1, 1.75 * before) for before, after in pairwise(counts))


def test_a_steep_gap_beside_the_best_is_looked_into_and_a_flat_one_is_not() -> None:
    assert refine({1: 50, 8: 400, 12: 600, 18: 900}) == 15
    assert refine({1: 890, 8: 900, 12: 900, 18: 900}) is None


def test_every_second_round_goes_backwards() -> None:
    keys = list("abcdef")
    assert order(keys, 1, 7) == order(keys, 0, 7)[::-1]
    assert order(keys, 2, 7) not in (order(keys, 0, 7), order(keys, 1, 7))
    assert sorted(order(keys, 5, 7)) == keys
