"""`make bench-faults`: what a fault of Postgres or Redis does to routes that do not need it.

The whole system runs as it ships, one worker each on one core; Postgres, Redis and the load are on the other.
Windows without and with the fault take turns. In both, the routes that need the faulty part are asked too.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import geometric_mean
from typing import Any, Final

from loadtests.bench import environment, machine, report
from loadtests.bench.exceptions import BenchFailed
from loadtests.bench.fault_routes import FAULTS, NONE, PARTS
from loadtests.bench.fault_windows import PERCENTILES, Faults
from loadtests.bench.rig import Rig, choose_cores, require
from loadtests.bench.stats import robust_ratio

FIGURES: Final = environment.ROOT / "docs/figures/faults.json"
SECONDS: Final = 4.0  # of a window
METHOD: Final = {
    "load": "Poisson arrivals, other ones for each route; latency from the intended start; 64 connections",
    "windows": "without and with the fault in turns, both with the same arrivals and affected routes",
    "ratio": "of a window's percentile with the fault to that without: Hodges-Lehmann, signed ranks, 95 %",
    "none": "the same without a fault: how much two equal measurements differ",
}


def table(found: Sequence[dict[str, Any]]) -> str:
    """Markdown."""
    lines = [
        "| fault | route that does not need it | ms without it: p50, p90, p99 "
        "| with it, ratio of the p50 (95 %) | p90 | p99 | failed |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in found:
        title = f"{PARTS[one['part']].title}: {one['fault']}"
        for other in one["others"]:
            before = ", ".join(f"{other[name]['before_ms']:.1f}" for name in PERCENTILES)
            ratios = " | ".join(_shown(other[name]["ratio"]) for name in PERCENTILES)
            failed = f"{other['failed']} of {other['failed'] + other['answered']:,}"
            lines.append(f"| {title} | {other['route']} | {before} | {ratios} | {failed} |")
    return "\n".join(lines)


def _shown(ratio: dict[str, float]) -> str:
    return f"{ratio['median']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f})"


def together(found: Sequence[dict[str, Any]]) -> str:
    """The p99 of all faults at once: of each turn the geometric mean of its routes. Empty without a fault."""
    turns = [
        turn
        for one in found
        if one["fault"] != NONE
        for turn in zip(*(other["p99"]["windows_ms"] for other in one["others"]), strict=True)
    ]
    if not turns:
        return ""
    without, with_fault = ([geometric_mean(pair[n] for pair in turn) for turn in turns] for n in (0, 1))
    ratio = robust_ratio(with_fault, without)
    return f"p99 with a fault, all together: {_shown(asdict(ratio))} of that without, {len(turns)} turns"


def main(arguments: list[str] | None = None) -> None:
    given = _parser().parse_args(arguments)
    rounds, seconds = (2, 1.0) if given.quick else (given.rounds, SECONDS)
    out: Path | None = given.out or (None if given.quick else FIGURES)
    found: list[dict[str, Any]] = []
    try:
        require("nginx", "taskset")
        facts = {"machine": machine.facts(), "method": METHOD}
        with Rig(choose_cores()) as rig:
            bench = Faults(rig)
            for one in given.only:
                part, _, fault = one.partition("-")
                found.append(bench.run(part, fault, rounds, seconds))
                if out:  # at once: what follows may be interrupted
                    report.write(out, {**facts, "faults": merged(out, found)})
    except BenchFailed as failure:
        raise SystemExit(f"bench-faults: {failure}") from None
    except KeyboardInterrupt:
        raise SystemExit("bench-faults: interrupted; everything it started is stopped") from None
    print(table(found), together(found), sep="\n\n")  # noqa: T201 - the command's result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m loadtests.bench.faults", description=__doc__)
    names = [f"{part}-{fault}" for part in PARTS for fault in FAULTS]
    add = parser.add_argument
    add("--only", nargs="+", choices=names, default=names, metavar="FAULT", help=f"of {' '.join(names)}")
    add("--rounds", type=int, default=12, help="windows with and without each fault (default: 12)")
    add("--quick", action="store_true", help="two rounds of a second, to see that it works")
    add("--out", type=Path, help="JSON file (default: docs/figures/faults.json; quick: none)")
    return parser


def merged(out: Path, found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """With those of an earlier run that were not measured now."""
    kept = json.loads(out.read_text())["faults"] if out.exists() else []
    now = {(one["part"], one["fault"]) for one in found}
    every = [one for one in kept if (one["part"], one["fault"]) not in now] + list(found)
    return sorted(every, key=lambda one: (one["part"], one["fault"] != "none", one["fault"]))


if __name__ == "__main__":
    main()
