"""Tests the generator before it is believed: a stub of known capacity, and a stall of one second."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from loadtests.bench.rig import free_port
from loadtests.stopping import in_child
from loadtests.tuner import files
from loadtests.tuner.measuring import guards
from loadtests.tuner.measuring.generate import generate
from loadtests.tuner.measuring.load import Load, Result
from loadtests.tuner.measuring.requests import Request
from loadtests.tuner.measuring.stub import STALL
from loadtests.tuner.model import Slo

_ANYTHING = (Request("/"),)
_LOWEST, _FIRST, _HIGHEST = 125.0, 500.0, 8_000.0  # requests per second
_FINER = 1.4
_SECONDS = 1.0
_EACH = 0.004  # seconds of the stub of known capacity
_WRONG = 0.02  # of the stub's capacity
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Calibration:
    """`limit`: the highest rate that the generator keeps, requests per second; 0 if it keeps none.

    `rate_error` is the share of the schedule that was not sent at the limit. `found` must be the stub's
    `capacity`, which is known. `stalled` is the p99 that it saw in a load with a stall of 1 s.
    """

    limit: float
    why: str  # what ended the search
    rate_error: float
    capacity: float
    found: float
    stalled: float
    conditions: str = ""  # that it holds for; unknown of those that earlier versions kept

    @property
    def objection(self) -> str | None:
        """Why no measurement of this generator can be believed; None if they can."""
        if not self.limit:
            return f"the generator does not even keep {_LOWEST:g} requests/s: {self.why}"
        if abs(self.found / self.capacity - 1) > _WRONG:
            return (
                f"the generator measured {self.found:.0f} requests/s of a stub that does {self.capacity:.0f}"
            )
        if self.stalled < 0.9 * STALL:
            return f"the generator saw a stall of {STALL:g} s as a p99 of {self.stalled:.2f} s"
        return None

    @property
    def line(self) -> str:
        return (
            f"the generator keeps up to {self.limit:,.0f} requests/s ({self.rate_error:.1%} not sent), "
            f"measured {self.found:.0f} requests/s of a stub that does {self.capacity:.0f}, "
            f"and saw a stall of 1 s as a p99 of {self.stalled:.2f} s"
        )


def calibrate(
    slo: Slo,
    load_cpus: Collection[int],
    stub_cpus: Collection[int],
    *,
    seconds: float = _SECONDS,
    highest: float = _HIGHEST,
) -> Calibration:
    """Takes about ten seconds."""

    def run(rate: float, seconds: float, *stub: str) -> Result:
        with _stub(stub_cpus, *stub) as port:
            load = Load(port, rate, seconds, 1, _ANYTHING, even=True)
            return generate(load, load_cpus)

    limit, why, error = _limit(lambda rate: _kept(lambda: run(rate, seconds), slo), highest)
    known = 1 / _EACH
    found = stalled = 0.0
    for _ in range(_TRIES if limit else 0):
        found = run(2 * known, 1.5, "--each", str(_EACH)).answered_in_time / 1.5
        stalled = _p99(run(_LOWEST, 2.0, "--stall-at", "0.5"))
        made = Calibration(limit, why, error, known, found, stalled)
        if made.objection is None:
            break
    return Calibration(limit, why, error, known, found, stalled, conditions(slo, load_cpus, stub_cpus))


def conditions(slo: Slo, load_cpus: Collection[int], target_cpus: Collection[int]) -> str:
    """What a calibration depends on beside the machine."""
    return f"SLO {slo.latency:g} s, generator on {sorted(load_cpus)}, application on {sorted(target_cpus)}"


def kept(file: Path) -> Calibration:
    """Raises ResultsError."""
    try:
        return Calibration(**files.kept(file))
    except TypeError as error:
        raise files.ResultsError(f"{file} is damaged: remove it, and it is made again") from error


def stored(file: Path, make: Callable[[], Calibration], wanted: str = "") -> Calibration:
    """The one kept in the file, or a new one: none was kept, or it is of something else, or it failed.

    What disturbed it may have passed.
    """
    if file.exists():
        found = kept(file)
        same = not (wanted and found.conditions) or wanted == found.conditions
        if same and found.objection is None:
            return found
    made = make()
    files.put(file, json.dumps(asdict(made), indent=2) + "\n")
    return made


def _limit(keep: Callable[[float], tuple[float, str]], highest: float) -> tuple[float, str, float]:
    """The highest rate that is kept, to a factor of 1.4, what ended the search, and the rate's error."""
    limit, error, why, rate = 0.0, 0.0, "", _FIRST
    while not why and rate <= highest:
        unsent, why = keep(rate)
        if not why:
            limit, error, rate = rate, unsent, rate * 2
    lower = [limit * _FINER] if limit else [_FIRST / 2, _LOWEST]
    for rate in lower if why else []:
        unsent, worse = keep(rate)
        if not worse:
            return rate, why, unsent
    return limit, why or f"no higher rate was tried than {highest:,.0f}", error


def _kept(run: Callable[[], Result], slo: Slo) -> tuple[float, str]:
    """The share that was not sent, and the objections. Tried again, because others use the CPU too."""
    for _ in range(_TRIES):
        done = run()
        why = "; ".join(guards.after(done, slo, 0.0))
        if not why or done.cpus > guards.BUSY:
            break
    return 1 - done.sent / max(1, done.due), why


def _p99(done: Result) -> float:
    return done.histogram.percentile(99)


@contextlib.contextmanager
def _stub(cpus: Collection[int], *options: str) -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "loadtests.tuner.measuring.stub", "--port", str(port), *options]

    def prepare() -> None:
        in_child()
        if cpus:
            os.sched_setaffinity(0, cpus)

    process = subprocess.Popen(command, preexec_fn=prepare)  # noqa: S603, PLW1509 - our own stub; no threads
    with process:
        try:
            while not _listening(port):
                if process.poll() is not None:
                    raise RuntimeError(f"the stub ended with {process.returncode}")
                time.sleep(0.02)
            yield port
        finally:
            process.terminate()


def _listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
