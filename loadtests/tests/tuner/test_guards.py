"""Each reason not to believe a measurement."""

from dataclasses import replace
from pathlib import Path

import pytest

from loadtests.tuner.measuring import guards
from loadtests.tuner.measuring.load import Load, Result
from loadtests.tuner.measuring.requests import Request
from loadtests.tuner.model import Slo

SLO = Slo(0.2)
GOOD = Result(due=1000, sent=1000, started=1000, lag=0.001, cpus=0.3)
LOAD = Load(8000, 100, 3, 1, [Request("/")])


def test_a_good_measurement_is_believed() -> None:
    assert list(guards.after(GOOD, SLO, 0.0)) == []
    assert list(guards.before(LOAD, 5000)) == []


@pytest.mark.parametrize(
    ("done", "stolen", "said"),
    [
        (replace(GOOD, cpus=0.81), 0.0, "the generator used 81% of a CPU"),
        (replace(GOOD, sent=989), 0.0, "the generator sent 989 of 1000 requests"),
        (replace(GOOD, lag=0.011), 0.0, "the generator was 11 ms late"),
        (replace(GOOD, refused=3), 0.0, "3 answers were 429: switch the rate limit off"),
        (GOOD, 0.11, "the hypervisor took 11% of the CPU"),
    ],
)
def test_each_guard_names_what_is_wrong(done: Result, stolen: float, said: str) -> None:
    assert list(guards.after(done, SLO, stolen)) == [said]


def test_each_guard_lets_pass_what_is_just_within_it() -> None:
    close = replace(GOOD, cpus=0.8, sent=990, lag=0.01)
    assert list(guards.after(close, SLO, 0.1)) == []


def test_a_request_that_waits_for_a_connection_is_the_targets_fault() -> None:
    assert list(guards.after(replace(GOOD, started=400), SLO, 0.0)) == []


def test_no_rate_above_the_calibrated_limit_is_tried() -> None:
    [said] = guards.before(LOAD, 99)
    assert said == "100 requests/s is above the generator's calibrated limit of 99"


def test_more_connections_than_file_descriptors_are_refused() -> None:
    reasons = list(guards.before(replace(LOAD, connections=10**9), None))
    assert any("1000000000 connections need more file descriptors" in reason for reason in reasons)


def test_ports_that_closed_connections_still_hold_are_not_free(tmp_path: Path) -> None:
    ports, sockets = tmp_path / "range", tmp_path / "sockstat"
    ports.write_text("32768\t60999\n")
    sockets.write_text("sockets: used 40\nTCP: inuse 32 orphan 0 tw 28000 alloc 5 mem 2\nUDP: inuse 1\n")
    assert guards.free_ports(ports, sockets) == 200
    assert guards.free_ports(tmp_path / "none", sockets) is None
