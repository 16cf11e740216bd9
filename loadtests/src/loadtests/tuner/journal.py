"""A folder that keeps everything measured, so that a run can stop and go on where it was.

Decisions are computed anew from the journal: given the same measurements they are the same, so resuming is
replaying. A target is only rolled out when something is measured that the journal does not hold.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from loadtests.tuner.files import ResultsError, kept, put
from loadtests.tuner.histogram import Histogram
from loadtests.tuner.model import Configuration, Limits, Measurement, Resources, RollOutFailed, Target

MEASUREMENTS = "measurements.jsonl"


class JournalMismatch(Exception):
    """The folder holds measurements of another run: another application, plan or SLO."""


class Journal:
    """`measurements.jsonl`, one line each, written through; `run.json` says of what.

    The first line has the seconds that were spent before the first start.
    """

    def __init__(self, folder: Path, run: Mapping[str, Any]) -> None:
        """Raises JournalMismatch when the folder belongs to another run."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        about = folder / "run.json"
        said = json.dumps(run, indent=2, sort_keys=True) + "\n"
        if about.exists() and about.read_text() != said:
            raise JournalMismatch(
                f"{folder} holds another run{_difference(kept(about), run)}: give what it was given, or "
                "another folder by --results"
            )
        if not about.exists():
            put(about, said)
        self.path = folder / MEASUREMENTS
        self.kept = _lines(self.path)

    @property
    def evidence(self) -> str:
        """Twelve digits that change with any measurement."""
        digest = hashlib.sha256((self.folder / "run.json").read_bytes())
        digest.update(self.path.read_bytes() if self.path.exists() else b"")
        return digest.hexdigest()[:12]

    def add(self, line: Mapping[str, Any]) -> None:
        """Raises ResultsError."""
        try:
            with self.path.open("a") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise ResultsError(f"{self.path} cannot be written: {error.strerror}") from error


class Recorded:
    """A target whose measurements are kept in a journal, and taken from there first."""

    def __init__(self, target: Target, journal: Journal) -> None:
        """Raises JournalMismatch when another release wrote it."""
        self._target, self._journal = target, journal
        self._replay = list(reversed(journal.kept))
        self._wanted: Configuration | None = None
        self._running = False
        self._new = not self._replay
        self._begun = target.spent
        if self._new:
            self._spent = round(target.spent, 2)
        elif (first := self._replay.pop()).keys() == {"ready"}:
            self._spent = first["ready"]
        else:
            raise JournalMismatch(f"{journal.folder} is of another release of the tuner: remove it")

    @property
    def spent(self) -> float:
        """As it was after the last load or failed start, so that a replay decides alike.

        What was replayed took as long as it did when it was measured.
        """
        return self._spent

    @property
    def name(self) -> str:
        return self._target.name

    @property
    def limits(self) -> Limits:
        return self._target.limits

    @property
    def unit(self) -> str:
        return self._target.unit

    @property
    def services(self) -> Sequence[str]:
        return self._target.services

    def roll_out(self, configuration: Configuration) -> None:
        self._wanted, self._running = configuration, False
        kept = self._replay[-1] if self._replay else None
        if kept and kept["configuration"] == _listed(configuration):
            if "failed" in kept:
                self._replay.pop()
                self._spent = kept["spent"]
                raise RollOutFailed(kept["failed"])
            return
        self._start()

    def measure(self, rate: float, seconds: float, seed: int) -> Measurement:
        key = {"configuration": _listed(self._wanted), "rate": rate, "seconds": seconds, "seed": seed}
        if self._replay:
            kept = self._replay.pop()
            if all(kept.get(name) == value for name, value in key.items()):
                self._spent = kept["spent"]
                return measurement(kept["measurement"])
            raise JournalMismatch(f"{self._journal.folder} was measured in another order: remove it")
        if not self._running:
            self._start()
        taken = self._target.measure(rate, seconds, seed)
        self._journal.add({**key, "spent": self._keep_spent(), "measurement": document(taken)})
        return taken

    def close(self) -> None:
        self._target.close()

    def _keep_spent(self) -> float:
        """As it is written."""
        now = self._target.spent
        self._spent, self._begun = round(self._spent + now - self._begun, 2), now
        return self._spent

    def _start(self) -> None:
        if self._wanted is None:
            raise RollOutFailed("nothing was rolled out")
        if self._replay:
            raise JournalMismatch(f"{self._journal.folder} was measured in another order: remove it")
        if self._new:
            self._journal.add({"ready": self._spent})
            self._new = False
        try:
            self._target.roll_out(self._wanted)
        except RollOutFailed as error:
            failed = {"configuration": _listed(self._wanted), "failed": str(error)}
            self._journal.add({**failed, "spent": self._keep_spent()})
            raise
        self._running = True


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    names = {"plan": "plan (--quick, --minutes, --seed)"}
    other = [names.get(name, name) for name in now if before.get(name) != now[name]]
    return f", of another {' and '.join(other)}" if other else ""


def document(taken: Measurement) -> dict[str, Any]:
    """As JSON takes it; `measurement` turns it back."""
    return {**asdict(taken), "latencies": {str(k): v for k, v in taken.latencies.counts.items()}}


def measurement(kept: Mapping[str, Any]) -> Measurement:
    resources = Resources(**kept["resources"])
    latencies = Histogram({int(bucket): count for bucket, count in kept["latencies"].items()})
    rest = {**kept, "resources": resources, "latencies": latencies, "invalid": tuple(kept["invalid"])}
    return Measurement(**rest)


def _listed(configuration: Configuration | None) -> Any:
    return json.loads(json.dumps(asdict(configuration))) if configuration else None


def _lines(path: Path) -> list[dict[str, Any]]:
    """A last line that was cut off when the run was stopped is removed. Raises ResultsError."""
    if not path.exists():
        return []
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        os.truncate(path, len(whole))
    found = []
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            found.append(json.loads(line))
        except ValueError as error:
            raise ResultsError(f"{path}, line {number} is damaged: remove the folder") from error
    return found
