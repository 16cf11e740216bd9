"""`facet-tune`: writes a file, checks it, finds the worker count, reports."""

import argparse
import errno
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from loadtests.stopping import quiet, stoppable
from loadtests.target import refusal
from loadtests.tuner import workers_env
from loadtests.tuner.absent import Absent, Unfinished
from loadtests.tuner.arguments import parser
from loadtests.tuner.chain import ChainSession
from loadtests.tuner.checking import check, check_running
from loadtests.tuner.config import load, split
from loadtests.tuner.fields import ConfigError, duration, size
from loadtests.tuner.files import ResultsError, alone
from loadtests.tuner.journal import MEASUREMENTS, JournalMismatch
from loadtests.tuner.measure_only import MeasureOnly
from loadtests.tuner.measuring.app import App
from loadtests.tuner.measuring.command import CommandTarget
from loadtests.tuner.measuring.compose import ComposeTarget
from loadtests.tuner.measuring.embedded import POOLS, ROLE, SERVICES, EmbeddedTarget, connections
from loadtests.tuner.measuring.generate import GeneratorFailed
from loadtests.tuner.measuring.loaded import Loaded
from loadtests.tuner.measuring.running import RunningTarget
from loadtests.tuner.model import Limits, RollOutFailed, Slo
from loadtests.tuner.outcome import Verdict
from loadtests.tuner.plan import QUICK, Plan, within
from loadtests.tuner.publish import publish, publish_picture, standing
from loadtests.tuner.run import GeneratorUnfit, Run
from loadtests.tuner.session import Session
from loadtests.tuner.template import write

_KEEPING = {"run", "facet"}  # what they measured before they were stopped
_STATUS = {Verdict.INCONCLUSIVE: 3, Verdict.INVALID: 4}


def main(arguments: list[str] | None = None) -> int:
    """0: decided; 1: stopped; 2: a file, a folder or the command is wrong; 3: inconclusive; 4: invalid."""
    options = parser(__doc__).parse_args(arguments)
    options.given = sys.argv[1:] if arguments is None else arguments
    try:
        with stoppable():
            return _ACTS[options.act](options)
    except (ConfigError, JournalMismatch, ResultsError, RollOutFailed, Unfinished) as error:
        _say(f"facet-tune: {error}")
        return 2
    except (GeneratorFailed, GeneratorUnfit) as error:
        _say(f"facet-tune: {error}")
        return _STATUS[Verdict.INVALID]
    except KeyboardInterrupt:
        goes_on = "; the same command goes on from here" if options.act in _KEEPING else ""
        _say(f"stopped, and everything that it started{goes_on}")
        return 1
    except OSError as error:  # a full disk, a folder that must not be written to
        if isinstance(error, BrokenPipeError) and error.filename is None:
            quiet()
            return 1
        _say(f"facet-tune: {error.filename or 'a file'}: {error.strerror or error}")
        return 2


def _init(options: argparse.Namespace) -> int:
    missing = write(options.file, options.command, options.path, options.locustfile)
    values = f", and the values of {', '.join(missing)} under [tune]" if missing else ""
    _say(f"wrote {options.file}: set the requests and the SLO{values}, then facet-tune check {options.file}")
    return 0


def _check(options: argparse.Namespace) -> int:
    app, folder = _mine(options), _folder(options)
    with alone(folder):
        good = (check_running if app.url else check)(app, folder, _say)
    return 0 if good else _STATUS[Verdict.INVALID]


def _run(options: argparse.Namespace) -> int:
    app = _mine(options)
    if app.url:
        return _decide(MeasureOnly, RunningTarget(app), options)
    return _decide(Session, CommandTarget(app), options)


def _mine(options: argparse.Namespace) -> App:
    """Of the file. Raises ConfigError where load may not go."""
    app = load(options.file)
    if app.url and (reason := refusal(app.url, mine=options.target_is_mine)):
        raise ConfigError(reason)
    return app


def _facet(options: argparse.Namespace) -> int:
    cpus, services = split(options.cpus), options.service or SERVICES
    memory = size(options.memory) if options.memory else None
    limits = Limits(
        len(cpus.target),
        memory=memory,
        database_connections=connections(services, options.connections, options.pool),
        connections_per_worker=POOLS,
        max_workers=options.max_workers,
        connections_per_service=ROLE,
    )
    kind = ComposeTarget if options.compose else EmbeddedTarget
    knobs = {"pool": list(map(str, options.pool))} if options.pool else {}
    target = kind(services, Slo(duration(options.slo)), limits, cpus, knobs)
    return _decide(ChainSession if len(services) > 1 else Session, target, options)


def _decide(session: type[Session], target: Loaded, options: argparse.Namespace) -> int:
    run = _of(options, target.app)
    with alone(run.folder):
        outcome, about = run.measured(session, target)
        found = run.report(outcome, about)
    if outcome.choice and options.write and outcome.verdict not in _STATUS:
        for change in workers_env.changes(options.write, dict(outcome.choice.workers)):
            _say(f"{options.write}: {change}")
        workers_env.write(options.write, dict(outcome.choice.workers), about.evidence)
    if options.publish:
        _publish(options, found)
    return _STATUS.get(outcome.verdict, 0)


def _publish(options: argparse.Namespace, found: Mapping[str, Any]) -> None:
    if evidence := standing(options.publish, found):
        _say(f"nothing published: the documents keep the decision of the run with evidence {evidence}")
        return
    for file in [*publish(options.publish, found), *_picture(options, found)]:
        _say(f"wrote {file}")


def _picture(options: argparse.Namespace, found: Mapping[str, Any]) -> list[Path]:
    """Where there is a browser; the figures stand without a picture too."""
    try:
        return publish_picture(options.publish, found, _folder(options) / "report.html")
    except (OSError, subprocess.SubprocessError) as error:
        _say(f"no picture of the report: {error}")
        return []


def _report(options: argparse.Namespace) -> int:
    run = _of(options, load(options.file))
    if not (run.folder / MEASUREMENTS).exists():
        raise Unfinished(f"{run.folder} holds no measurements: facet-tune run begins one")
    session = MeasureOnly if run.app.url else Session
    outcome, about = run.decided(session, Absent(run.app.name, run.app.limits, run.app.unit))
    run.report(outcome, about)
    return _STATUS.get(outcome.verdict, 0)


def _of(options: argparse.Namespace, app: App) -> Run:
    plan = replace(QUICK if options.quick else Plan(), seed=options.seed, checked=app.locustfile is None)
    if options.minutes is not None:
        plan = replace(plan, within=within(options.minutes))
    command = f"facet-tune {shlex.join(options.given)}"
    return Run(app, plan, _folder(options), command, _say, _summaries(options.compare))


def _summaries(given: Sequence[Path]) -> Sequence[Path]:
    """A folder of results stands for the summary in it. Raises ConfigError."""
    files = [path / "summary.json" if path.is_dir() else path for path in given]
    if missing := [str(file) for file in files if not file.is_file()]:
        raise ConfigError(f"nothing to compare with: {', '.join(missing)} is not there")
    return files


def _folder(options: argparse.Namespace) -> Path:
    given: Path | None = options.results
    if given is None and not hasattr(options, "file"):
        where = ["compose"] if options.compose else []
        return Path("reports/tuning") / "-".join([*where, *(options.service or SERVICES)])
    return given or options.file.with_suffix(".tuning")


def _say(line: str) -> None:
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        quiet()  # the terminal is gone


_ACTS = {"init": _init, "check": _check, "run": _run, "report": _report, "facet": _facet}


if __name__ == "__main__":
    raise SystemExit(main())
