"""What a load asks for, and when."""

import random
from collections import Counter
from itertools import pairwise

import pytest

from loadtests.tuner.measuring.requests import Filler, Request, named
from loadtests.tuner.measuring.schedule import schedule


def _filler(*requests: Request, seed: int = 1, count: int = 0, **values: list[str]) -> Filler:
    return Filler(requests, values, random.Random(seed), count)  # noqa: S311 - load


def test_a_schedule_has_as_many_requests_as_the_rate_says() -> None:
    for seed in range(5):
        assert len(schedule(100, 3, seed)) == 300
    assert schedule(100, 3, 1) == schedule(100, 3, 1) != schedule(100, 3, 2)
    assert schedule(4, 1, 1, even=True) == [0, 0.25, 0.5, 0.75]


def test_its_gaps_are_those_of_a_poisson_process() -> None:
    gaps = [after - before for before, after in pairwise(schedule(1000, 20, 1))]
    mean = sum(gaps) / len(gaps)
    assert mean == pytest.approx(0.001, rel=0.02)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert deviation == pytest.approx(mean, rel=0.03)  # as of the exponential distribution


def test_a_popular_item_is_asked_for_as_zipf_says() -> None:
    filler = _filler(Request("/items/{zipf:1-60}"))
    seen = Counter(filler.next()[1] for _ in range(20_000))
    assert seen["/items/1"] / seen["/items/2"] == pytest.approx(2, rel=0.1)
    assert seen["/items/1"] / seen["/items/10"] == pytest.approx(10, rel=0.2)
    assert len(seen) == 60


def test_values_of_one_request_belong_together() -> None:
    filler = _filler(
        Request("/login", "POST", body="{email}:{password}", headers={"x-user": "{email}"}),
        email=["a", "b"], password=["1", "2"],
    )  # fmt: skip
    seen = {(filler.next()[2], filler.next()[3]["x-user"]) for _ in range(50)}
    assert {body for body, _ in seen} == {b"a:1", b"b:2"}


def test_braces_of_json_are_no_placeholders() -> None:
    body = '{"item": {int:3-3}, "tags": {}}'
    assert _filler(Request("/", "POST", body=body)).next()[2] == b'{"item": 3, "tags": {}}'
    assert named(body) == set()
    assert named("/users/{user_id}") == {"user_id"}


def test_weights_say_how_often() -> None:
    filler = _filler(Request("/a", weight=3), Request("/b"))
    seen = Counter(filler.next()[1] for _ in range(4000))
    assert seen["/a"] / seen["/b"] == pytest.approx(3, rel=0.1)


def test_a_load_has_exactly_as_many_of_each_kind_in_an_order_of_its_own() -> None:
    """700 requests with 1 login in 100 have 7, neither 2 nor 15."""
    loads = []
    for seed in range(20):
        filler = _filler(Request("/browse", weight=99), Request("/login"), seed=seed, count=700)
        loads.append([filler.next()[1] for _ in range(700)])
    assert {load.count("/login") for load in loads} == {7}
    assert len({load.index("/login") for load in loads}) > 10


def test_what_whole_numbers_leave_over_falls_to_each_kind_as_often_as_its_weight_says() -> None:
    """Of 10 requests with 1 login in 100, one load in ten has one. What is beyond the count is drawn."""
    logins = 0
    for seed in range(500):
        filler = _filler(Request("/browse", weight=99), Request("/login"), seed=seed, count=10)
        logins += [filler.next()[1] for _ in range(10)].count("/login")
        assert filler.next()[1] in {"/browse", "/login"}
    assert 30 <= logins <= 70
