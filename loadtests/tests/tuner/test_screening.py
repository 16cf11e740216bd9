"""Which configurations enter the rounds after a first look."""

from collections.abc import Mapping

from loadtests.tuner.capacity import Capacity
from loadtests.tuner.model import Configuration
from loadtests.tuner.screening import Screened, survivors


def _seen(rates: Mapping[int, float]) -> Screened:
    return {Configuration.of(count): Capacity(rate, ()) for count, rate in rates.items()}


def _kept(rates: Mapping[int, float], most: int, noise: float = 0.0) -> list[int]:
    return [key.total_workers for key in survivors(_seen(rates), most, noise)[0]]


def test_the_fastest_and_the_smallest_of_those_that_came_close() -> None:
    assert _kept({4: 351, 5: 385, 6: 353, 7: 397, 12: 310}, 3) == [4, 5, 7]
    assert _kept({1: 50, 2: 93, 3: 95, 4: 100, 5: 99, 6: 98}, 4) == [2, 3, 4, 5]


def test_one_alone_gets_a_rival() -> None:
    assert _kept({1: 50, 2: 80, 4: 100}, 3) == [2, 4]
    assert _kept({1: 50, 4: 100}, 3) == [4], "half of it is no noise"


def test_what_noise_may_hide_stays_in() -> None:
    assert _kept({1: 80, 2: 100}, 3, noise=0.12) == [1, 2]


def test_those_that_do_not_enter_are_named_with_the_reason() -> None:
    _, dropped = survivors(_seen({1: 50, 2: 95, 3: 96, 4: 97, 5: 100}), 3)
    assert dropped[Configuration.of(1)] == "-50% against the best at first look"
    assert "close to others" in dropped[Configuration.of(3)]
