"""The generator is tested on a real stub before anything else is."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from loadtests.tuner.measuring import calibration
from loadtests.tuner.measuring.calibration import Calibration, calibrate, conditions, stored
from loadtests.tuner.measuring.load import Load, Result
from loadtests.tuner.model import Slo

GOOD = Calibration(2000, "the generator used 90% of a CPU", 0.001, 250, 249, 0.98)


@pytest.mark.timeout(180)
def test_the_generator_finds_a_known_capacity_and_sees_a_stall() -> None:
    made = calibrate(Slo(2.0), (), (), seconds=0.5, highest=500)  # an SLO that a busy machine keeps too
    assert made.limit >= 125
    assert made.rate_error <= 0.01
    assert made.stalled >= 0.9
    assert made.found == pytest.approx(250, rel=0.1)  # the calibration itself asks for 2 %


def test_a_generator_that_measures_wrongly_is_not_believed() -> None:
    assert GOOD.objection is None
    assert "does not even keep 125" in str(replace(GOOD, limit=0.0).objection)
    assert "240 requests/s of a stub that does 250" in str(replace(GOOD, found=240).objection)
    assert "p99 of 0.02 s" in str(replace(GOOD, stalled=0.02).objection)


@pytest.mark.parametrize(
    ("able", "limit"), [(50, 0), (130, 125), (260, 250), (700, 700), (690, 500), (10**6, 8000)]
)
def test_the_limit_is_the_highest_rate_that_is_kept(
    able: float, limit: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def generate(load: Load, _: object) -> Result:
        sent = round(min(load.rate, able) * load.seconds)
        return Result(due=round(load.rate * load.seconds), sent=sent, cpus=0.5)

    monkeypatch.setattr(calibration, "generate", generate)
    monkeypatch.setattr(calibration, "_stub", lambda *_: nullcontext(0))
    made = calibrate(Slo(0.25), (), ())
    assert made.limit == limit
    assert made.rate_error <= 0.01


def test_a_run_that_goes_on_is_not_calibrated_again(tmp_path: Path) -> None:
    file = tmp_path / "calibration.json"
    assert stored(file, lambda: GOOD) == GOOD
    assert stored(file, lambda: replace(GOOD, limit=1)) == GOOD


def test_another_slo_or_other_cpus_need_another_calibration(tmp_path: Path) -> None:
    file, first, other = tmp_path / "calibration.json", Slo(0.25), Slo(0.02)
    made = replace(GOOD, conditions=conditions(first, {1}, {0}))
    assert stored(file, lambda: made, conditions(first, {1}, {0})) == made
    for wanted in (conditions(other, {1}, {0}), conditions(other, {0, 1}, {0, 1})):
        again = replace(GOOD, limit=1, conditions=wanted)
        assert stored(file, lambda: again, wanted) == again  # noqa: B023 - called at once
        assert stored(file, pytest.fail, wanted) == again
