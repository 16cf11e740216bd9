"""What `facet-tune` takes on its command line."""

import argparse
from pathlib import Path

from loadtests.tuner.measuring.embedded import SERVICES

_LONGEST = 10_000  # minutes, a week


def parser(description: str | None) -> argparse.ArgumentParser:
    given = argparse.ArgumentParser(prog="facet-tune", description=description)
    commands = given.add_subparsers(required=True, dest="act")
    init = commands.add_parser("init", help="write the file for a command")
    init.add_argument(
        "command",
        help='such as "gunicorn shop:app -w {workers} -b 127.0.0.1:{port}", or the URL of what runs already',
    )
    init.add_argument("--path", default="/", help="what is asked for; the file takes more")
    init.add_argument("--locustfile", type=Path, help="your own users instead of a path")
    init.add_argument("--file", type=Path, default=Path("tune.toml"))
    check = commands.add_parser("check", help="boot it, and say what will be tried")
    check.add_argument("file", type=Path)
    check.add_argument("--results", type=Path, help="folder that `run` will use")
    _reachable(check)
    for name, about in (
        ("run", "find the worker count; goes on where it was stopped"),
        ("report", "write the report of a finished run again"),
    ):
        command = commands.add_parser(name, help=about)
        command.add_argument("file", type=Path)
        _reachable(command)
        _common(command)
    facet = commands.add_parser("facet", help="tune Facet's own services in the embedded stack")
    facet.add_argument(
        "--service", action="append", choices=SERVICES, help="by default all of these together"
    )
    facet.add_argument("--compose", action="store_true", help="the Compose system instead")
    facet.add_argument("--slo", default="250ms", help="p99")
    facet.add_argument("--cpus", type=_count, help="of the stack; the rest is the generator's")
    facet.add_argument("--memory", help="of all services together, such as 1GiB")
    facet.add_argument("--connections", type=_count, default=90, help="database connections of all services")
    facet.add_argument(
        "--pool", type=_count, nargs="+", default=[], help="database connections of a worker: sizes to try"
    )
    facet.add_argument("--max-workers", type=_count, help="of each service")
    _common(facet)
    return given


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1")
    return int(text)


def _minutes(text: str) -> float:
    try:
        given = float(text)
    except ValueError:
        given = 0.0
    if not 1 <= given <= _LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of minutes from 1 to {_LONGEST}")
    return given


def _reachable(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--target-is-mine", action="store_true", help="allow a url that is not on this machine"
    )


def _common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--results", type=Path, help="folder of the measurements and the report")
    command.add_argument("--quick", action="store_true", help="fewer rounds, shorter measurements")
    command.add_argument("--minutes", type=_minutes, help="no more rounds than fit into them")
    command.add_argument("--seed", type=int, default=1)
    command.add_argument("--write", type=Path, help="env file that gets the counts")
    command.add_argument("--publish", type=Path, help="repository of Facet, whose documents get the figures")
    command.add_argument(
        "--compare", type=Path, action="append", default=[], help="results of an earlier run; may be repeated"
    )
