"""`make bench-ml`: our model server beside others, one core each, the same ONNX files, in one run.

The server under test (with its gateway, where it has one) has a core to itself; the load generator, Redis and
the address of our keys share the other. Servers are started and measured in turns, one at a time.
"""

import argparse
from dataclasses import asdict, replace
from pathlib import Path

from loadtests.bench import environment, report
from loadtests.bench.exceptions import BenchFailed
from loadtests.bench.ml_bench import BODIES, Bench
from loadtests.bench.ml_memory import table, worker_memory
from loadtests.bench.ml_tasks import TASKS
from loadtests.bench.model_servers import SERVERS
from loadtests.bench.plot import bars
from loadtests.bench.rig import require
from loadtests.bench.rounds import Plan

FIGURES = environment.ROOT / "docs/figures/ml.json"
METHOD = {
    "request": f"POST, {BODIES} different bodies in turn; Facet checks a bearer token (ES256)",
    "closed loop": "wrk -t1 --latency; latencies are those at full load",
    "open loop": "Poisson arrivals at a share of that server's closed-loop rate at 32 connections, over 64 "
    "connections; latency from the intended start",
    "cores": "the server alone on one; load, Redis and keys on the other",
    "check": "before it is measured, each server's first answer must equal ONNX Runtime's own",
    "limit": "ONNX Runtime in a loop, one thread, the same rows that the servers get",
    "interval": "95 %, Student's t on the logarithms of the rounds' ratios",
}
DEFAULT = Plan(rounds=3, seconds=2, warm_up=1)
QUICK = Plan(rounds=2, seconds=2, warm_up=1)


def main(arguments: list[str] | None = None) -> None:
    given = _parser().parse_args(arguments)
    if given.full:
        given.connections, given.rows, given.bulk, given.open = [1, 8, 32, 128], [1, 32, 256], [], [0.5, 0.9]
    try:
        require("nginx", "wrk", "taskset")
        if given.memory:
            print(table(worker_memory()))  # noqa: T201 - the command's result
            return
        plan = QUICK if given.quick else DEFAULT
        plan = replace(plan, rounds=given.rounds) if given.rounds else plan
        found = {"method": METHOD | asdict(plan), **Bench(given).run(plan)}
    except BenchFailed as failure:
        raise SystemExit(f"bench-ml: {failure}") from None
    except KeyboardInterrupt:
        raise SystemExit("bench-ml: interrupted; everything it started is stopped") from None
    if out := given.out or (None if given.quick else FIGURES):
        report.write(out, found)
        bars(out.with_suffix(".svg"), found)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m loadtests.bench.ml", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="two rounds of two seconds, to see that it works")
    add(
        "--full",
        action="store_true",
        help="every number of connections and rows, and open loop: over an hour",
    )
    add("--rounds", type=int, help="how often each server is measured, at least twice")
    add("--servers", nargs="+", choices=list(SERVERS), default=list(SERVERS))
    add("--models", nargs="+", choices=list(TASKS), default=list(TASKS))
    add("--connections", nargs="+", type=int, default=[32])
    add("--rows", nargs="+", type=int, default=[1], help="rows a request, for all servers and connections")
    add("--bulk", nargs="*", type=int, default=[256], help="more, for ours with tensors, at 4 connections")
    add("--open", nargs="*", type=float, default=[], help="shares of capacity for open loop: 0.5 0.9")
    add("--memory", action="store_true", help="only the memory of 1, 2 and 4 workers of ours")
    add("--out", type=Path, help="JSON file (default: docs/figures/ml.json; quick: none)")
    return parser


if __name__ == "__main__":
    main()
