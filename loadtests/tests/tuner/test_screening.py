"""Which configurations enter the rounds after a first look."""

from collections.abc import Mapping

from loadtests.tuner.capacity import Capacity
from loadtests.tuner.model import Configuration, Limits, RollOutFailed, Slo
from loadtests.tuner.outcome import Verdict
from loadtests.tuner.plan import Plan
from loadtests.tuner.screening import Screened, survivors
from loadtests.tuner.session import Session
from loadtests.tuner.simulator.system import System
from loadtests.tuner.simulator.target import SimulatedTarget


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


def test_where_nothing_starts_the_verdict_says_why() -> None:
    class Broken(SimulatedTarget):
        def roll_out(self, configuration: Configuration) -> None:
            raise RollOutFailed(f"no {configuration.label} workers here")

    outcome = Session(Broken(System(2, 0.01, limits=Limits(2)), 1), Slo(0.25), Plan()).run()
    assert outcome.verdict is Verdict.INVALID
    assert outcome.why == "nothing could be measured; 1: does not start: no 1 workers here"
