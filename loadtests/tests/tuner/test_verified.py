"""The second generator agrees with the first, and finds a capacity that is too high."""

import itertools
from pathlib import Path

import pytest

from loadtests.tuner.clock import OutOfTime
from loadtests.tuner.histogram import Histogram
from loadtests.tuner.measuring.calibration import _stub
from loadtests.tuner.measuring.generate import generate, generate_otherwise
from loadtests.tuner.measuring.load import RECYCLE, Load
from loadtests.tuner.measuring.requests import Request
from loadtests.tuner.measuring.second import Answers
from loadtests.tuner.model import Slo
from loadtests.tuner.second_check import verify
from loadtests.tuner.verified import keep, kept

SLO = Slo(0.25)


def test_both_generators_see_the_same_overload() -> None:
    """A stub that answers 100 requests a second, asked for 150: they wait ever longer, 1 s at the end."""
    with _stub((), "--each", "0.01") as port:
        load = Load(port, 150, 2, 1, [Request("/")], even=True)
        first, second = generate(load), generate_otherwise(load)
    one = Histogram({int(bucket): count for bucket, count in first.latencies.items()})
    assert second.due == first.due == 300
    assert second.failed == 0
    assert second.histogram.percentile(50) == pytest.approx(one.percentile(50), rel=0.25)
    assert second.histogram.percentile(99) > 0.7


@pytest.mark.parametrize("rate", [40, 200])
def test_its_connections_are_kept_and_take_turns_as_those_of_the_first(rate: int) -> None:
    with _stub((), "--each", "0.001") as port:
        done = generate_otherwise(Load(port, rate, 1, 1, [Request("/")], spread=20))
    assert (done.due, done.failed) == (rate, 0)
    assert 20 <= done.opened <= 20 + 3 * RECYCLE * rate


def test_a_wrong_answer_is_a_failure_for_it_too() -> None:
    with _stub((), "--each", "0.001") as port:
        wanted = [Request("/", contains="something else"), Request("/", status=201)]
        done = generate_otherwise(Load(port, 50, 1, 1, wanted))
    assert done.failed == done.due == 50
    assert done.slow(10) == 1.0


def _answers(rate: float, true: float) -> Answers:
    slow = 0 if rate <= true else 100
    counts = Histogram.of([0.1] * (1000 - slow) + [0.5] * slow).counts
    return Answers(1000, latencies={str(bucket): count for bucket, count in counts.items()})


@pytest.mark.parametrize(("true", "holds"), [(100, True), (80, False), (150, False)])
def test_a_capacity_holds_if_95_per_cent_do_and_120_per_cent_do_not(
    true: float, holds: bool, tmp_path: Path
) -> None:
    found = verify(lambda rate: (_answers(rate, true), 1.0), 100, SLO)
    assert found.holds is holds
    assert ("is confirmed" in found.line) is holds
    keep(tmp_path / "verified.json", found)
    assert kept(tmp_path / "verified.json") == found


def test_errors_break_the_slo_however_few_are_slow() -> None:
    found = verify(lambda _: (Answers(1000, failed=2, latencies={"100": 998}), 1.0), 100, SLO)
    assert not found.below.holds


def test_on_a_machine_whose_yardstick_changes_the_loads_follow_it() -> None:
    """It does 100 requests/s when it is at its usual pace, 80 when it is slow."""
    paces = [1.0]
    moods = itertools.cycle((1.0, 1.25, 1.25, 1.0, 1.0))

    def ask(rate: float) -> tuple[Answers, float]:
        mood = next(moods)
        paces.append(mood)
        return _answers(rate * mood, 100), mood

    found = verify(ask, 100, SLO, paces)
    assert found.holds
    assert all(abs(share - 0.95) <= 0.04 for share in found.below.shares)


@pytest.mark.parametrize(
    ("trues", "met", "holds"),
    [
        ((100,), [True, True, True], True),
        ((80, 100), [False, True, True, True], True),
        ((80, 100, 100, 80, 100), [False, True, True, False, True], True),
        ((80, 100, 80, 100, 80), [False, True, False, True, False], False),
        ((80,), [False, False, False], False),
    ],
)
def test_the_loads_end_when_most_of_five_agree(
    trues: tuple[float, ...], met: list[bool], holds: bool
) -> None:
    """The machine does so much while each load at 95 % lasts, the last of them from then on."""
    kept = itertools.chain(trues, itertools.repeat(trues[-1]))
    found = verify(lambda rate: (_answers(rate, next(kept) if rate < 100 else 100), 1.0), 100, SLO)
    assert (list(found.below.met), found.holds) == (met, holds)
    assert list(found.above.met) == [False] * 3
    assert f"met in {sum(met)} of {len(met)} loads" in found.line


def test_loads_that_balance_confirm_nothing() -> None:
    """There was time for two of each: one met the SLO at 95 %."""
    seen = {0.95: [80.0, 100.0], 1.2: [100.0, 150.0]}

    def ask(rate: float) -> tuple[Answers, float]:
        kind = seen[0.95 if rate < 100 else 1.2]
        if not kind:
            raise OutOfTime
        return _answers(rate, kind.pop(0)), 1.0

    found = verify(ask, 100, SLO)
    assert (list(found.below.met), list(found.above.met)) == ([False, True], [False, True])
    assert not found.below.holds
    assert not found.above.missed
    assert not found.holds


@pytest.mark.parametrize(("now", "holds"), [(0.9, True), (1.1, True), (0.7, False), (1.3, False)])
def test_the_loads_follow_what_the_first_generator_finds_meanwhile(now: float, holds: bool) -> None:
    found = verify(lambda rate: (_answers(rate, 100 * now), 1.0), 100, SLO, refer=lambda _: now)
    assert found.drift == pytest.approx(now)
    assert found.holds is holds
    assert found.below.holds
    assert found.above.missed
    assert f"{abs(now - 1):.0%} {'more' if now > 1 else 'less'} than in the rounds" in found.line
    assert f"({120 * now:.0f} requests/s)" in found.line
    assert ("may as well be a wrong claim" in found.line) is not holds
