"""Tunes a simulated application, to see how the best count moves: `python -m loadtests.tuner.simulator`."""

import argparse
import sys
from pathlib import Path

from loadtests.tuner.model import Limits, Slo
from loadtests.tuner.plan import Plan
from loadtests.tuner.report.page import page
from loadtests.tuner.session import Session
from loadtests.tuner.simulator.system import System
from loadtests.tuner.simulator.target import SimulatedTarget
from loadtests.tuner.summary import About


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    limits = Limits(options.cores, memory=options.memory * 1024**2 if options.memory else None)
    system = System(
        cores=options.cores,
        cpu=options.cpu / 1000,
        wait=options.wait / 1000,
        blocking=options.blocking,
        contention=options.contention,
        coherency=options.coherency,
        limits=limits,
    )
    slo = Slo(options.slo / 1000)
    outcome = Session(SimulatedTarget(system, options.seed), slo, Plan(seed=options.seed), _say).run()
    if options.report:
        given = " ".join(arguments if arguments is not None else sys.argv[1:])
        about = About(
            f"a simulated application on {options.cores} cores",
            slo,
            limits,
            f"simulation, seed {options.seed}",
            f"python -m loadtests.tuner.simulator {given}",
        )
        options.report.write_text(page(outcome, about))
    return 0 if outcome.choice else 1


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m loadtests.tuner.simulator", description=__doc__)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--cpu", type=float, default=8.0, help="CPU of a request, ms")
    parser.add_argument("--wait", type=float, default=0.0, help="waiting of a request, ms")
    parser.add_argument("--blocking", action="store_true", help="a waiting request holds its worker")
    parser.add_argument("--contention", type=float, default=0.005, help="share of the work done one by one")
    parser.add_argument("--coherency", type=float, default=0.0, help="cost of each pair of workers")
    parser.add_argument("--memory", type=int, help="limit, MiB; a worker takes 60")
    parser.add_argument("--slo", type=float, default=250.0, help="p99, ms")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=Path, help="HTML file to write")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
