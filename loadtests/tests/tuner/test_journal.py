"""A run that was stopped goes on where it was, and ends as if it had never stopped."""

from pathlib import Path

import pytest

from loadtests.tuner.journal import Journal, JournalMismatch, Recorded
from loadtests.tuner.model import Configuration, Limits, Measurement, Slo
from loadtests.tuner.plan import Plan
from loadtests.tuner.session import Session
from loadtests.tuner.simulator.system import System
from loadtests.tuner.simulator.target import SimulatedTarget

SYSTEM = System(cores=2, cpu=0.01, limits=Limits(2))
SLO = Slo(0.2)
RUN = {"target": "simulated"}


class Stopping(SimulatedTarget):
    """Somebody presses Ctrl-C after so many measurements."""

    def __init__(self, after: int) -> None:
        super().__init__(SYSTEM, 1)
        self.after = after

    def measure(self, rate: float, seconds: float, seed: int) -> Measurement:
        if self.measurements == self.after:
            raise KeyboardInterrupt
        return super().measure(rate, seconds, seed)


def _run(target: SimulatedTarget, folder: Path) -> tuple[str, Journal]:
    journal = Journal(folder, RUN)
    outcome = Session(Recorded(target, journal), SLO, Plan()).run()
    assert outcome.choice is not None
    return outcome.choice.label, journal


def test_a_finished_run_is_replayed_without_measuring(tmp_path: Path) -> None:
    first, journal = _run(SimulatedTarget(SYSTEM, 1), tmp_path)
    again = SimulatedTarget(SYSTEM, 2)
    assert _run(again, tmp_path)[0] == first
    assert again.measurements == 0
    assert journal.evidence == Journal(tmp_path, RUN).evidence


@pytest.mark.parametrize("after", [1, 7, 30])
def test_a_stopped_run_goes_on(tmp_path: Path, after: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        _run(Stopping(after), tmp_path)
    assert len(Journal(tmp_path, RUN).kept) == 1 + after
    target = SimulatedTarget(SYSTEM, 2)
    label, journal = _run(target, tmp_path)
    assert SYSTEM.capacity(int(label), SLO) > 0.95 * SYSTEM.best(SLO, 9)[1]
    assert len(Journal(tmp_path, RUN).kept) == 1 + after + target.measurements
    assert not target.broken
    assert journal.evidence


def test_a_line_that_was_cut_off_is_measured_again(tmp_path: Path) -> None:
    _run(SimulatedTarget(SYSTEM, 1), tmp_path)
    lines = tmp_path / "measurements.jsonl"
    lines.write_text(lines.read_text()[:-20])
    target = SimulatedTarget(SYSTEM, 1)
    _run(target, tmp_path)
    assert target.measurements >= 1


def test_another_run_does_not_go_on_in_this_folder(tmp_path: Path) -> None:
    _run(SimulatedTarget(SYSTEM, 1), tmp_path)
    with pytest.raises(JournalMismatch, match="another run"):
        Journal(tmp_path, {"target": "another"})
    with pytest.raises(JournalMismatch, match="another order"):
        Session(Recorded(SimulatedTarget(SYSTEM, 1), Journal(tmp_path, RUN)), SLO, Plan(seed=2)).run()


class Prepared(SimulatedTarget):
    """It took 40 s to make what all starts share."""

    @property
    def spent(self) -> float:
        return 40 + super().spent


def test_what_was_spent_before_the_first_start_is_not_its_price(tmp_path: Path) -> None:
    """Nor when the run is replayed, which has to decide alike."""
    found = []
    for target in (Prepared(SYSTEM, 1), SimulatedTarget(SYSTEM, 2)):
        recorded = Recorded(target, Journal(tmp_path, RUN))
        assert recorded.spent == 40
        recorded.roll_out(Configuration.of(2))
        recorded.measure(10, 3, 5)
        found.append(recorded.spent)
    assert found[0] == found[1] >= 40 + 3


def test_a_journal_of_another_release_is_refused(tmp_path: Path) -> None:
    _run(SimulatedTarget(SYSTEM, 1), tmp_path)
    lines = tmp_path / "measurements.jsonl"
    lines.write_text(lines.read_text().split("\n", 1)[1])
    with pytest.raises(JournalMismatch, match="another release"):
        Recorded(SimulatedTarget(SYSTEM, 1), Journal(tmp_path, RUN))


def test_nothing_is_measured_before_a_configuration_is_chosen(tmp_path: Path) -> None:
    recorded = Recorded(SimulatedTarget(SYSTEM, 1), Journal(tmp_path, RUN))
    recorded.roll_out(Configuration.of(2))
    assert recorded.measure(10, 3, 5).requests == 30
