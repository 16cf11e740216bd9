"""What runs already and cannot be reconfigured: it is measured, and nothing is decided."""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from loadtests.bench.rig import free_port
from loadtests.tuner import measure_only
from loadtests.tuner.cli import main
from loadtests.tuner.config import load
from loadtests.tuner.fields import ConfigError
from loadtests.tuner.measure_only import MeasureOnly
from loadtests.tuner.measuring import running
from loadtests.tuner.measuring.app import App
from loadtests.tuner.measuring.calibration import Calibration, stored
from loadtests.tuner.measuring.loaded import Loaded
from loadtests.tuner.measuring.requests import Request
from loadtests.tuner.measuring.running import RunningTarget
from loadtests.tuner.model import AS_IT_RUNS, Configuration, Limits, Measurement, RollOutFailed, Slo
from loadtests.tuner.outcome import Verdict
from loadtests.tuner.plan import Plan
from loadtests.tuner.simulator.system import Noise, System
from loadtests.tuner.simulator.target import SimulatedTarget

_FIT = Calibration(1000, "", 0.0, 250, 250, 1.0)


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    """The port of a server with two workers that somebody else started. What it does is mostly waiting."""
    port = free_port()
    work = ["--workers", "2", "--cpu", "2", "--wait", "18"]
    command = [sys.executable, "-m", "loadtests.tuner.dial", "--port", str(port), *work]
    with subprocess.Popen(command) as process:  # noqa: S603 - our own server
        target = RunningTarget(_app(port))
        while not target._answers():
            assert process.poll() is None
        yield port
        process.terminate()


def _app(port: int) -> App:
    return App("dial", "", [Request("/")], Slo(0.25), Limits(2), url=f"http://127.0.0.1:{port}")


def test_its_processes_are_found_by_the_port_and_left_alone(
    server: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "WARM_UPS", 1)
    monkeypatch.setattr(running, "WARM_UP", 0.2)
    target = RunningTarget(_app(server))
    target.roll_out(Configuration.of(1))
    taken = target.measure(60, 1, 1)
    assert taken.failed == 0
    assert len(taken.resources.worker_shares["as it runs"]) == 2
    assert (taken.resources.app_cpus or 0) > 0
    target.close()
    assert target._answers()


def test_what_cannot_be_seen_is_no_figure(server: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "listeners", lambda _: [])
    taken = RunningTarget(_app(server)).measure(20, 0.5, 1)
    assert (taken.resources.app_cpus, taken.resources.pss) == (None, None)
    assert taken.resources.generator_cpus is not None


def test_nothing_there_is_said() -> None:
    with pytest.raises(RollOutFailed, match="is not answered with 200"):
        RunningTarget(_app(free_port())).roll_out(Configuration.of(1))


def test_the_interval_holds_the_true_capacity_of_a_simulated_system() -> None:
    held = 0
    for seed in range(20):
        system = System(2, cpu=0.01, limits=Limits(2), noise=Noise(mood=0.0))
        outcome = MeasureOnly(SimulatedTarget(system, seed), Slo(0.25), Plan(seed=seed)).run()
        assert outcome.verdict is Verdict.MEASURED
        assert outcome.choice is None
        assert outcome.comparison is not None
        [(key, low)] = outcome.comparison.low.items()
        held += low <= system.capacity(1, Slo(0.25)) <= outcome.comparison.high[key]
    assert outcome.bottleneck is not None
    assert held >= 17


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs is found as it is; its measurements are those of a simulated system."""
    target = SimulatedTarget(System(2, cpu=0.01, limits=Limits(2), noise=Noise(mood=0.0)), 1)
    target.roll_out(Configuration.of({AS_IT_RUNS: 1}))
    monkeypatch.setattr(Loaded, "measure", lambda _, rate, seconds, seed: target.measure(rate, seconds, seed))


@pytest.fixture
def shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    measure = Loaded.measure

    def tenth(target: Loaded, rate: float, seconds: float, seed: int) -> Measurement:
        taken = measure(target, rate, 0.1 * seconds, seed)
        return replace(taken, invalid=()) if taken.requests else taken  # a load that was refused stays so

    monkeypatch.setattr(Loaded, "measure", tenth)


@pytest.mark.parametrize("measured", ["simulated", pytest.param("shorter", marks=pytest.mark.soak)])
def test_run_ends_in_a_report_without_a_decision(
    server: int,
    measured: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    request.getfixturevalue(measured)
    file, counts = tmp_path / "shop.toml", tmp_path / ".env"
    monkeypatch.setattr(running, "WARM_UPS", 0)
    monkeypatch.setattr(measure_only, "TIMES", 2)
    assert main(["init", f"http://127.0.0.1:{server}", "--file", str(file)]) == 0
    (tmp_path / "shop.tuning").mkdir()
    stored(tmp_path / "shop.tuning/calibration.json", lambda: _FIT)
    assert main(["run", str(file), "--quick", "--write", str(counts)]) == 0
    said = capsys.readouterr().out
    assert re.search(r"measured only: \S+ requests/s within the SLO \(95 % interval", said), said
    assert not counts.exists(), "there is no count to write"
    report = (tmp_path / "shop.tuning/report.html").read_text()
    assert "Capacity of shop" in report
    assert "rules of thumb" not in report
    assert main(["report", str(file), "--quick"]) == 0


@pytest.mark.parametrize(
    ("app", "reason"),
    [
        ('command = "serve {workers} {port}"\nurl = "http://127.0.0.1:1"', "runs already, without command"),
        ('url = "127.0.0.1:8000"', "is written http://127.0.0.1:8000"),
        ('url = "http://127.0.0.1:8000/shop"', "without a path"),
        ('url = "http://127.0.0.1:8000"\n[state]\nreset = "true"', "[state] does not apply"),
        ('command = "serve -p {port}"', 'give url = "http://127.0.0.1:8000" instead of command'),
    ],
)
def test_what_can_be_measured_only_is_refused_otherwise(tmp_path: Path, app: str, reason: str) -> None:
    file = tmp_path / "shop.toml"
    file.write_text(f'[app]\n{app}\n[slo]\np99 = "1s"\n[[request]]\npath = "/"\n')
    with pytest.raises(ConfigError) as refused:
        load(file)
    assert reason in str(refused.value)


def test_load_on_another_machine_needs_a_word(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "shop.toml"
    file.write_text('[app]\nurl = "http://shop.example"\n[slo]\np99 = "1s"\n[[request]]\npath = "/"\n')
    assert main(["run", str(file)]) == 2
    assert "--target-is-mine" in capsys.readouterr().out
