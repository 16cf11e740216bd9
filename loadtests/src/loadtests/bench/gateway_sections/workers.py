"""Our gateway with one, two and four workers, on as many cores as the machine has beside the load's."""

import os
from typing import Any

from loadtests.bench.contestants import FACET, facet_with
from loadtests.bench.gateway_setup import Setup
from loadtests.bench.progress import say
from loadtests.bench.rounds import Plan

PLAN = Plan(rounds=3, seconds=2.0, warm_up=1.0)
QUICK = Plan(rounds=2, seconds=1.0, warm_up=1.0)
COUNTS = (1, 2, 4)


def measure(setup: Setup, *, quick: bool) -> dict[str, Any]:
    titles, load = {}, setup.rig.cores.load
    others = sorted(os.sched_getaffinity(0) - {load}) or [load]
    for count in COUNTS:
        cores = others[:count]
        workers = f"{count} worker{'s' * (count > 1)}"
        title = f"Facet, {workers} on {len(cores)} core{'s' * (len(cores) > 1)}"
        say(f"starting {title}")
        ours = facet_with(f"{FACET}-{count}", title, {"GATEWAY_WORKERS": str(count)})
        setup.start(ours, core=",".join(map(str, cores)))
        titles[ours.name] = title
    case = setup.compare(
        "GET, 200 bytes, 256 connections, by the number of workers",
        titles,
        setup.load(connections=256),
        QUICK if quick else PLAN,
        ours=f"{FACET}-1",
    )
    return {"cases": [case]}
