"""One run, from the test of the generator to the report. What was measured before comes from its folder."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from loadtests.bench.machine import facts, moment
from loadtests.tuner import files, verified
from loadtests.tuner.clock import OutOfTime
from loadtests.tuner.compare import compared
from loadtests.tuner.journal import MEASUREMENTS, Journal, Recorded
from loadtests.tuner.measuring.app import App
from loadtests.tuner.measuring.calibration import Calibration, calibrate, conditions, kept, stored
from loadtests.tuner.measuring.loaded import Loaded
from loadtests.tuner.model import RollOutFailed, Target
from loadtests.tuner.notes import budget_notes, machine_notes
from loadtests.tuner.outcome import Outcome, Verdict
from loadtests.tuner.plan import Plan
from loadtests.tuner.report.page import page
from loadtests.tuner.second_check import check
from loadtests.tuner.session import Session
from loadtests.tuner.summary import About, summary

_LOCUSTFILE = "No second generator checked it, because only locust can send what the locustfile says."
_NO_TIME = "There was no time left to check it by a second generator."
SHARED = "The generator runs on the application's CPUs: the capacities are too low."
_ELSEWHERE = "The tuner did not start the application: on this machine, the generator may take CPU from it."

Say = Callable[[str], None]


class GeneratorUnfit(Exception):
    """The generator failed its own test; says how."""


@dataclass(frozen=True, slots=True)
class Run:
    """`command` repeats it; `earlier` are summaries of runs to compare it with."""

    app: App
    plan: Plan
    folder: Path
    command: str
    say: Say
    earlier: Sequence[Path] = ()

    def measured(self, session: type[Session], target: Loaded) -> tuple[Outcome, About]:
        """Raises GeneratorUnfit."""
        try:
            self.say("testing the load generator")
            target.limit = trusted(calibration(self.app, self.folder), self.say).limit
            if not (self.folder / MEASUREMENTS).exists():
                target.make_ready()
            outcome, about = self.decided(session, target)
            return outcome, self._verified(target, outcome, about)
        finally:
            target.close()

    def decided(self, session: type[Session], target: Target) -> tuple[Outcome, About]:
        """From the journal alone, as far as that goes."""
        app, journal = self.app, Journal(self.folder, _identity(self.app, self.plan))
        outcome = session(
            Recorded(target, journal), app.slo, self.plan, self.say, app.knobs, repeat=True
        ).run()
        notes = [_ELSEWHERE] if app.url else []
        if app.target_cpus & app.load_cpus:
            notes.append(SHARED)
        known = (
            *_calibration_facts(self.folder),
            *machine_notes(outcome),
            *budget_notes(outcome, app.limits),
        )
        about = About(app.name, app.slo, app.limits, journal.evidence, self.command, tuple(notes), known)
        about = replace(about, machine=_machine(self.folder), margin=self.plan.margin, unit=app.unit)
        return outcome, replace(about, loop=app.locustfile.loop if app.locustfile else about.loop)

    def report(self, outcome: Outcome, about: About) -> Mapping[str, Any]:
        """Writes report and summary, which it returns."""
        found = _as_json(summary(outcome, about))
        lines = [line for file in self.earlier for line in compared(found, files.kept(file))]
        for line in lines:
            self.say(line)
        about = replace(about, facts=(*about.facts, *lines))
        found = _as_json(summary(outcome, about))
        files.put(self.folder / "report.html", page(outcome, about))
        files.put(self.folder / "summary.json", json.dumps(found, indent=2) + "\n")
        self.say(f"{self.folder / 'report.html'}, evidence {about.evidence}")
        return found

    def _verified(self, target: Loaded, outcome: Outcome, about: About) -> About:
        """The choice on a fresh start, by another generator; kept in the folder."""
        file = self.folder / "verified.json"
        if outcome.choice is None or outcome.claim is None or outcome.verdict is Verdict.INVALID:
            return about
        if self.app.locustfile:
            return replace(about, facts=(*about.facts, _LOCUSTFILE))
        found = verified.kept(file)
        if found is None:
            self.say(f"{outcome.choice.label}: a second generator checks it on a fresh start")
            try:
                found = check(target, outcome, self.app.slo)
            except RollOutFailed as error:
                return replace(about, facts=(*about.facts, f"It could not be checked again: {error}."))
            except OutOfTime:
                return replace(about, facts=(*about.facts, _NO_TIME))
            if found is None:
                return about
            verified.keep(file, found)
            self.say(found.line)
        return replace(about, facts=(*about.facts, found.line), confirmed=found.holds)


def calibration(app: App, folder: Path) -> Calibration:
    """Of the generator, as it was at the beginning of the run."""
    make = partial(calibrate, app.slo, app.load_cpus, app.target_cpus)
    wanted = conditions(app.slo, app.load_cpus, app.target_cpus)
    return stored(folder / "calibration.json", make, wanted)


def trusted(made: Calibration, say: Say) -> Calibration:
    """Raises GeneratorUnfit."""
    if made.objection:
        raise GeneratorUnfit(f"{made.objection}: nothing is measured. Use a quieter machine, or try again")
    say(made.line)
    return made


def _machine(folder: Path) -> Mapping[str, Any]:
    """Of the run's beginning."""
    file = folder / "machine.json"
    if not file.exists():
        files.put(file, json.dumps({**facts(), **moment()}, indent=2) + "\n")
    machine: dict[str, Any] = files.kept(file)
    return machine


def _calibration_facts(folder: Path) -> Sequence[str]:
    file = folder / "calibration.json"
    if not file.exists():
        return ()
    line = kept(file).line
    return (f"{line[0].upper()}{line[1:]}.",)


def _identity(app: App, plan: Plan) -> dict[str, Any]:
    """What must be the same for a run to go on; no paths, so that the folder can move."""
    said: dict[str, Any] = {"command": app.command or app.url, "reset": app.reset, "knobs": dict(app.knobs)}
    said["requests"] = [asdict(request) for request in app.requests]
    if app.locustfile:
        said["locustfile"] = {"digest": app.locustfile.digest, "users": app.locustfile.users}
    rest = {"slo": asdict(app.slo), "limits": asdict(app.limits), "plan": asdict(plan)}
    return _as_json({**said, **rest})


def _as_json(value: Mapping[str, Any]) -> dict[str, Any]:
    """With what JSON makes of tuples and the like."""
    made: dict[str, Any] = json.loads(json.dumps(value))
    return made
