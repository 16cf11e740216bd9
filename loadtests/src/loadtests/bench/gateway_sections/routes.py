"""Our gateway with 10, 100 and 1,000 routes in its table."""

from typing import Any

from loadtests.bench.contestants import FACET, facet_with
from loadtests.bench.gateway_sections import tables
from loadtests.bench.gateway_setup import Setup
from loadtests.bench.rounds import Plan

PLAN = Plan(rounds=10, seconds=2.0, warm_up=1.0)
QUICK = Plan(rounds=2, seconds=1.0, warm_up=1.0)
COUNTS = (10, 100, 1000)


def measure(setup: Setup, *, quick: bool) -> dict[str, Any]:
    ours = [
        facet_with(
            f"{FACET}-{count}",
            f"Facet, {count:,} routes",
            {"GATEWAY_ROUTES_FILE": str(tables.many(setup.rig.folder, count))},
        )
        for count in COUNTS
    ]
    titles = setup.start_all(ours)
    title = "GET, 200 bytes, by the number of routes"
    return {
        "cases": [setup.compare(title, titles, setup.load(), QUICK if quick else PLAN, ours=ours[0].name)]
    }
