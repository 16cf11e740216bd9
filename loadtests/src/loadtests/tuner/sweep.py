"""How the best worker count moves with the share of waiting, as a table and a figure.

`python -m loadtests.tuner.sweep` measures the dial, which takes about eight minutes on two CPUs;
`--simulated 4` computes the same server on so many CPUs.
"""

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from loadtests.stopping import stoppable
from loadtests.tuner.blocks import replace_block
from loadtests.tuner.config import Cpus, split
from loadtests.tuner.measuring.app import App
from loadtests.tuner.measuring.command import CommandTarget
from loadtests.tuner.measuring.requests import Request
from loadtests.tuner.model import Configuration, Limits, Slo
from loadtests.tuner.plan import QUICK
from loadtests.tuner.report.lines import lines
from loadtests.tuner.runner import Runner
from loadtests.tuner.simulator.system import System

CPU = 5.0  # ms of a request
WAITS = (0.0, 5.0, 15.0, 35.0)  # ms of a request
SLO = Slo(0.25)
_GOOD = 0.9  # of the best: as good as the best, as far as one measurement of each can tell

Found = Mapping[float, Mapping[int, float]]  # by waiting and count: requests per second within the SLO


def counts(cpus: int) -> list[int]:
    """Powers of two, up to one that is more than the longest waiting needs."""
    needed = cpus * (CPU + max(WAITS)) / CPU
    return [2**power for power in range(math.ceil(math.log2(needed)) + 2)]


def simulated(cpus: int) -> Found:
    """By queueing formulas, without noise."""
    found = {}
    for wait in WAITS:
        system = System(cpus, cpu=CPU / 1000, wait=wait / 1000, blocking=True, limits=Limits(cpus))
        found[wait] = {count: system.capacity(count, SLO) for count in counts(cpus)}
    return found


def measured(cpus: Cpus) -> Found:
    return {wait: _of(wait, cpus) for wait in WAITS}


def _of(wait: float, cpus: Cpus) -> Mapping[int, float]:
    command = f"{sys.executable} -m loadtests.tuner.dial --workers {{workers}} --port {{port}}"
    app = App(
        "dial", f"{command} --cpu {CPU:g} --wait {wait:g}", [Request("/")], SLO, Limits(len(cpus.target)),
        target_cpus=cpus.target, load_cpus=cpus.load,
    )  # fmt: skip
    target = CommandTarget(app)
    runner, found = Runner(target, SLO, replace(QUICK, within=None), _say), {}
    try:
        for count in counts(len(cpus.target)):
            guess = 950 * min(count / (CPU + wait), len(cpus.target) / CPU)
            why = f"{wait:g} ms of waiting for {CPU:g} ms of CPU"
            capacity = runner.capacity(Configuration.of(count), guess, step=1.12, resolution=1.18, why=why)
            if capacity is not None:
                found[count] = runner.again(Configuration.of(count), capacity).rate
    finally:
        target.close()
    return found


def fewest(rates: Mapping[int, float]) -> int:
    """The smallest count that does as well as the best."""
    return min(count for count, rate in rates.items() if rate >= _GOOD * max(rates.values()))


def table(found: Found, cpus: int) -> str:
    tried = sorted({count for rates in found.values() for count in rates})
    head = [
        "waiting for a request",
        *(f"{count}" for count in tried),
        "fewest good",
        "CPUs × (CPU + waiting) / CPU",
    ]
    rows = []
    for wait, rates in found.items():
        good = fewest(rates)
        cells = [f"{rates[count]:,.0f}" if count in rates else "" for count in tried]
        rows.append([f"{wait:g} ms", *cells, f"**{good}**", f"{cpus * (CPU + wait) / CPU:g}"])
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])


def figure(found: Found) -> str:
    named = {f"{wait:g} ms of waiting": dict(rates) for wait, rates in found.items()}
    return lines(named, "workers", "requests/s within the SLO", f"{CPU:g} ms of CPU for each request")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, help="folder docs/ of Facet: its table and figure are replaced")
    parser.add_argument("--simulated", type=int, metavar="CPUS", help="compute it instead of measuring it")
    options = parser.parse_args(arguments)
    cpus = split(None)
    try:
        with stoppable():
            found = simulated(options.simulated) if options.simulated else measured(cpus)
    except KeyboardInterrupt:
        _say("stopped; nothing was written")
        return 1
    said = table(found, options.simulated or len(cpus.target))
    _say(said)
    if options.write:
        replace_block(options.write / "tuning.md", "dial", said)
        (options.write / "figures/dial.svg").write_text(figure(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
