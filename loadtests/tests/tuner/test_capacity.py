"""Finding the highest rate that meets the SLO: on an exact curve, with luck, and with a broken generator."""

import math
from dataclasses import replace

import pytest

from loadtests.tuner.capacity import LOWEST_RATE, NothingValid, Search
from loadtests.tuner.histogram import Histogram
from loadtests.tuner.model import Measurement, Slo
from loadtests.tuner.plan import Plan

SLO = Slo(0.2)


class Curve:
    """One server whose p99 is exact: 4.6 / (throughput - rate)."""

    def __init__(self, throughput: float) -> None:
        self.throughput = throughput
        self.rates: list[float] = []

    def __call__(self, rate: float, seconds: float) -> Measurement:
        self.rates.append(rate)
        left = self.throughput - rate
        typical = -math.log(0.01) / left if left > 0 else 5.0
        count = max(100, round(rate * seconds))
        values = [typical] * math.ceil(count * 0.02) + [0.001] * math.floor(count * 0.98)
        return Measurement(rate, rate, rate, seconds, 1, Histogram.of(values))

    @property
    def capacity(self) -> float:
        return self.throughput + math.log(0.01) / SLO.latency


@pytest.mark.parametrize("guess", [1.0, 100.0, 476.0, 480.0, 20_000.0])
def test_a_bad_guess_only_costs_measurements(guess: float) -> None:
    curve = Curve(500)
    found = Search(SLO, Plan(), curve).find(guess, step=1.4, resolution=1.15)
    assert found.rate == pytest.approx(curve.capacity, rel=0.03)
    assert len(curve.rates) <= 20


def test_a_good_guess_costs_two_measurements() -> None:
    curve = Curve(500)
    Search(SLO, Plan(), curve).find(curve.capacity * 0.99, step=1.05, resolution=1.11)
    assert len(curve.rates) == 2


def test_without_any_knowledge_what_an_overload_answers_is_the_guess() -> None:
    class Overloaded(Curve):
        def __call__(self, rate: float, seconds: float) -> Measurement:
            return replace(super().__call__(rate, seconds), answered=min(rate, self.throughput))

    curve = Overloaded(500)
    found = Search(SLO, Plan(), curve).find(20, step=1.4, resolution=1.15, known=False)
    assert found.rate == pytest.approx(curve.capacity, rel=0.03)
    assert curve.rates[:4] == [20, 80, 320, 1280]
    assert len(curve.rates) <= 7


def test_something_passing_is_measured_again_and_a_limit_is_not() -> None:
    seen: list[float] = []

    def disturbed(rate: float, _: float) -> Measurement:
        seen.append(rate)
        good = Histogram.of([0.01] * 2000)
        reasons = ("steal",) if len(seen) < 4 else ()
        return Measurement(
            rate, rate, rate, 1, 1, good if rate < 100 else Histogram(), 0, 2000, invalid=reasons
        )

    Search(SLO, Plan(), disturbed).find(200, step=1.4, resolution=1.5)
    assert seen[:4] == [200] * 4
    seen.clear()

    def refused(rate: float, _: float) -> Measurement:
        seen.append(rate)
        return Measurement(rate, 0, 0, 1, 1, Histogram(), invalid=("above the generator's limit",))

    with pytest.raises(NothingValid, match="above the generator's limit"):
        Search(SLO, Plan(), refused).find(200, step=1.4, resolution=1.5)
    assert seen == pytest.approx([200, 200 / 1.5, 200 / 1.5**2, 200 / 1.5**3])


def test_loads_are_long_enough_for_a_slow_slo_to_be_missed() -> None:
    curve, lengths = Curve(500), list[float]()

    def measure(rate: float, seconds: float) -> Measurement:
        lengths.append(seconds)
        return curve(rate, seconds)

    for latency, shortest in ((0.1, Plan().shortest), (2.0, 32.0)):
        Search(Slo(latency), Plan(), measure).find(400, step=1.4, resolution=1.15)
        assert min(lengths) == shortest
        lengths.clear()


def test_what_never_meets_the_slo_has_no_capacity() -> None:
    curve = Curve(-1)
    assert Search(SLO, Plan(), curve).find(50, step=1.4, resolution=1.1).rate == 0
    assert min(curve.rates) >= LOWEST_RATE


def test_errors_miss_the_slo_however_fast() -> None:
    def failing(rate: float, seconds: float) -> Measurement:
        good = Histogram.of([0.01] * 1000)
        return Measurement(rate, rate, rate, seconds, 1, good, errors=2 if rate > 100 else 0)

    found = Search(SLO, Plan(), failing).find(50, step=1.4, resolution=1.05)
    assert 92 < found.rate < 106


def test_an_invalid_measurement_is_repeated_and_then_given_up() -> None:
    answers = iter([("the generator was late",), ()])
    curve = Curve(500)

    def shaky(rate: float, seconds: float) -> Measurement:
        taken = curve(rate, seconds)
        return Measurement(rate, rate, rate, seconds, 1, taken.latencies, invalid=next(answers, ()))

    assert Search(SLO, Plan(), shaky).find(470, step=1.4, resolution=1.1).rate > 400

    def broken(rate: float, seconds: float) -> Measurement:
        return Measurement(rate, rate, 0, seconds, 1, Histogram(), invalid=("429",))

    with pytest.raises(NothingValid, match="429"):
        Search(SLO, Plan(), broken).find(470, step=1.4, resolution=1.1)


def test_a_guess_above_the_generators_limit_is_lowered() -> None:
    class Limited(Curve):
        def __call__(self, rate: float, seconds: float) -> Measurement:
            if rate > 600:
                self.rates.append(rate)
                return Measurement(rate, 0, 0, seconds, 1, Histogram(), invalid=("above the limit",))
            return super().__call__(rate, seconds)

    found = Search(SLO, Plan(), Limited(500)).find(900, step=1.25, resolution=1.15)
    assert found.rate == pytest.approx(Curve(500).capacity, rel=0.03)
    hopeless = Limited(5000)
    with pytest.raises(NothingValid, match="above the limit"):
        Search(SLO, Plan(), hopeless).find(50_000, step=1.25, resolution=1.15)
    assert len(hopeless.rates) == 4


def test_where_not_one_answer_is_good_no_rate_is_searched_for() -> None:
    def denied(rate: float, seconds: float) -> Measurement:
        return Measurement(rate, rate, 0, seconds, 1, Histogram(), errors=60, wrong={"401": 60})

    with pytest.raises(NothingValid, match=r"not one answer was good \(60 × status 401\)"):
        Search(SLO, Plan(), denied).find(20, step=1.25, resolution=1.15, known=False)
