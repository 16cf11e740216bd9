"""`facet-tune`: writes a file, checks it, finds the worker count, reports."""

import argparse
import json
import shlex
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from loadtests.bench.machine import facts, moment
from loadtests.tuner import workers_env
from loadtests.tuner.candidates import ladder
from loadtests.tuner.chain import ChainSession
from loadtests.tuner.config import ConfigError, duration, load, size, split
from loadtests.tuner.feasible import Feasible
from loadtests.tuner.journal import Absent, Journal, JournalMismatch, Recorded, Unfinished
from loadtests.tuner.measuring.calibration import Calibration, calibrate, stored
from loadtests.tuner.measuring.command import App, CommandTarget
from loadtests.tuner.measuring.embedded import POOLS, SERVICES, EmbeddedTarget
from loadtests.tuner.model import Configuration, Limits, RollOutFailed, Slo, Target
from loadtests.tuner.notes import machine_notes
from loadtests.tuner.outcome import Outcome, Verdict
from loadtests.tuner.plan import QUICK, Plan
from loadtests.tuner.publish import publish
from loadtests.tuner.report.page import page
from loadtests.tuner.session import Session
from loadtests.tuner.summary import About, summary
from loadtests.tuner.verified import keep, kept, verify

_FILE = """\
[app]
command = {command}
ready = "/"           # answered with 200 when the application is ready

[slo]
p99 = "250ms"         # of all requests
errors = 0.001        # share that may fail

[[request]]           # repeat it; weight says how often
path = "/"            # may hold {{int:1-1000}}

[limits]              # what a configuration must not exceed
# cpus = 1            # for the application; the rest is the generator's
# memory = "1GiB"
# database_connections = 90
# connections_per_worker = 10
"""


class GeneratorUnfit(Exception):
    """The generator failed its own test; says how."""


VERIFY_SECONDS = 8.0
_STATUS = {Verdict.INCONCLUSIVE: 3, Verdict.INVALID: 4}


def main(arguments: list[str] | None = None) -> int:
    """0: decided; 1: Ctrl-C; 2: the file or the folder is wrong; 3: inconclusive; 4: invalid."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    options.given = sys.argv[1:] if arguments is None else arguments
    try:
        return int(options.act(options))
    except (ConfigError, JournalMismatch, RollOutFailed, Unfinished) as error:
        _say(f"facet-tune: {error}")
        return 2
    except GeneratorUnfit as error:
        _say(f"facet-tune: {error}")
        return _STATUS[Verdict.INVALID]
    except KeyboardInterrupt:
        _say("stopped; the same command goes on from here")
        return 1


def _interrupt(*_: object) -> None:
    """SIGTERM stops what was started, as Ctrl-C does."""
    raise KeyboardInterrupt


def _init(options: argparse.Namespace) -> int:
    if options.file.exists():
        raise ConfigError(f"{options.file} exists already")
    options.file.write_text(_FILE.format(command=json.dumps(options.command)))
    load(options.file)
    _say(f"wrote {options.file}: set the requests and the SLO, then facet-tune check {options.file}")
    return 0


def _check(options: argparse.Namespace) -> int:
    """Boots it with one worker and with the most, and says what will be tried."""
    app = load(options.file)
    target, feasible = CommandTarget(app), Feasible(app.limits)
    target.limit = _trusted(calibrate(app.slo, app.load_cpus, app.target_cpus)).limit
    counts = ladder(app.limits)
    usual = {name: values[0] for name, values in app.knobs.items()}
    try:
        for count in (1, 2):
            target.roll_out(Configuration.of(count, **usual))
            taken = target.measure(20, 3, count)
            feasible.learn(Configuration.of(count), taken)
            slowest = taken.latencies.percentile(app.slo.percentile) * 1000
            _say(
                f"{count} worker(s): p{app.slo.percentile:g} {slowest:.0f} ms when idle, "
                f"{taken.failed} of {taken.requests} failed, {(taken.resources.pss or 0) // 1024**2} MiB"
            )
            for reason in taken.invalid:
                _say(f"not valid: {reason}")
    finally:
        target.close()
    for count in counts:
        refusal = feasible.refusal(Configuration.of(count))
        _say(f"{count}: {f'excluded, {refusal}' if refusal else 'will be tried'}")
    return 0 if not taken.failed and taken.valid else 4


def _run(options: argparse.Namespace) -> int:
    app = load(options.file)
    return _decide(Session, CommandTarget(app), app, options)


def _facet(options: argparse.Namespace) -> int:
    cpus = split(options.cpus)
    memory = size(options.memory) if options.memory else None
    limits = Limits(
        len(cpus.target),
        memory=memory,
        database_connections=options.connections,
        connections_per_worker=POOLS,
        max_workers=options.max_workers,
    )
    services = options.service or SERVICES
    target = EmbeddedTarget(services, Slo(duration(options.slo)), limits, cpus)
    return _decide(ChainSession if len(services) > 1 else Session, target, target.app, options)


def _decide(session: type[Session], target: CommandTarget, app: App, options: argparse.Namespace) -> int:
    folder = _folder(options)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _say("testing the load generator")
        made = stored(folder / "calibration.json", lambda: calibrate(app.slo, app.load_cpus, app.target_cpus))
        target.limit = _trusted(made).limit
        outcome, about = _tune(session, target, app, options)
    finally:
        target.close()
    _finish(outcome, about, options)
    if outcome.choice and options.write and outcome.verdict not in _STATUS:
        for change in workers_env.changes(options.write, dict(outcome.choice.workers)):
            _say(f"{options.write}: {change}")
        workers_env.write(options.write, dict(outcome.choice.workers), about.evidence)
    return _STATUS.get(outcome.verdict, 0)


def _verify(target: CommandTarget, outcome: Outcome, about: About, folder: Path) -> About:
    """The choice on a fresh start, by another generator; kept in the folder."""
    file = folder / "verified.json"
    if outcome.choice is None or outcome.verdict is Verdict.INVALID:
        return about
    found = kept(file)
    if found is None:
        capacity = outcome.capacities()[outcome.choice]
        _say(f"{outcome.choice.label}: a second generator checks it on a fresh start")
        target.roll_out(outcome.choice)
        found = verify(lambda rate: target.ask_otherwise(rate, VERIFY_SECONDS), capacity, about.slo)
        keep(file, found)
        _say(found.line)
    return replace(about, facts=(*about.facts, found.line))


def _trusted(made: Calibration) -> Calibration:
    """Raises GeneratorUnfit."""
    if made.objection:
        raise GeneratorUnfit(made.objection)
    _say(made.line)
    return made


def _report(options: argparse.Namespace) -> int:
    app = load(options.file)
    outcome, about = _tune(Session, Absent(app.name, app.limits), app, options)
    _finish(outcome, about, options)
    return _STATUS.get(outcome.verdict, 0)


def _tune(
    session: type[Session], target: Target, app: App, options: argparse.Namespace
) -> tuple[Outcome, About]:
    plan = replace(QUICK if options.quick else Plan(), seed=options.seed)
    journal = Journal(_folder(options), _identity(app, plan))
    outcome = session(Recorded(target, journal), app.slo, plan, _say, app.knobs, repeat=True).run()
    shared = app.target_cpus & app.load_cpus
    notes = ("The generator ran on the application's CPUs: the capacities are too low.",) if shared else ()
    command = f"facet-tune {shlex.join(options.given)}"
    known = (*_calibration_facts(journal.folder), *machine_notes(outcome))
    about = About(app.name, app.slo, app.limits, journal.evidence, command, notes, known)
    return outcome, replace(about, machine=_machine(journal.folder))


def _machine(folder: Path) -> Mapping[str, Any]:
    """Of the run's beginning."""
    file = folder / "machine.json"
    if not file.exists():
        file.write_text(json.dumps({**facts(), **moment()}, indent=2) + "\n")
    kept: dict[str, Any] = json.loads(file.read_text())
    return kept


def _calibration_facts(folder: Path) -> Sequence[str]:
    file = folder / "calibration.json"
    if not file.exists():
        return ()
    line = Calibration(**json.loads(file.read_text())).line
    return (f"{line[0].upper()}{line[1:]}.",)


def _identity(app: App, plan: Plan) -> dict[str, Any]:
    """What must be the same for a run to go on; no paths, so that the folder can move."""
    said: dict[str, Any] = {"command": app.command, "knobs": dict(app.knobs)}
    said["requests"] = [asdict(request) for request in app.requests]
    return json.loads(  # type: ignore[no-any-return] # an object
        json.dumps({**said, "slo": asdict(app.slo), "limits": asdict(app.limits), "plan": asdict(plan)})
    )


def _finish(outcome: Outcome, about: About, options: argparse.Namespace) -> None:
    folder = _folder(options)
    (folder / "report.html").write_text(page(outcome, about))
    found = json.loads(json.dumps(summary(outcome, about)))
    (folder / "summary.json").write_text(json.dumps(found, indent=2) + "\n")
    if getattr(options, "publish", None):
        for file in publish(options.publish, found):
            _say(f"wrote {file}")
    _say(f"{folder / 'report.html'}, evidence {about.evidence}")


def _folder(options: argparse.Namespace) -> Path:
    given: Path | None = options.results
    if given is None and not hasattr(options, "file"):
        return Path("reports/tuning") / "-".join(options.service or SERVICES)
    return given or options.file.with_suffix(".tuning")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="facet-tune", description=__doc__)
    commands = parser.add_subparsers(required=True)
    init = commands.add_parser("init", help="write the file for a command")
    init.add_argument("command", help='such as "gunicorn shop:app -w {workers} -b 127.0.0.1:{port}"')
    init.add_argument("--file", type=Path, default=Path("tune.toml"))
    init.set_defaults(act=_init)
    check = commands.add_parser("check", help="boot it, and say what will be tried")
    check.add_argument("file", type=Path)
    check.set_defaults(act=_check)
    for name, act, about in (
        ("run", _run, "find the worker count; goes on where it was stopped"),
        ("report", _report, "write the report of a finished run again"),
    ):
        command = commands.add_parser(name, help=about)
        command.add_argument("file", type=Path)
        _common(command, act)
    facet = commands.add_parser("facet", help="tune Facet's own services in the embedded stack")
    facet.add_argument(
        "--service", action="append", choices=SERVICES, help="by default all of these together"
    )
    facet.add_argument("--slo", default="250ms", help="p99")
    facet.add_argument("--cpus", type=int, help="of the stack; the rest is the generator's")
    facet.add_argument("--memory", help="of all services together, such as 1GiB")
    facet.add_argument("--connections", type=int, default=90, help="database connections of all services")
    facet.add_argument("--max-workers", type=int, help="of each service")
    facet.add_argument("--publish", type=Path, help="repository whose documents get the figures")
    _common(facet, _facet)
    return parser


def _common(command: argparse.ArgumentParser, act: Callable[[argparse.Namespace], int]) -> None:
    command.add_argument("--results", type=Path, help="folder of the measurements and the report")
    command.add_argument("--quick", action="store_true", help="fewer rounds, shorter measurements")
    command.add_argument("--seed", type=int, default=1)
    command.add_argument("--write", type=Path, help="env file that gets the counts")
    command.set_defaults(act=act)


if __name__ == "__main__":
    raise SystemExit(main())
