"""The same GET on one connection, on 256, and on 1,000."""

from typing import Any

from loadtests.bench.gateway_setup import Setup
from loadtests.bench.rounds import Plan

PLAN = Plan(rounds=3, seconds=2.0, warm_up=1.0)
QUICK = Plan(rounds=2, seconds=1.0, warm_up=1.0)
COUNTS = (1, 32, 256, 1000)


def measure(setup: Setup, *, quick: bool) -> dict[str, Any]:
    titles = setup.start_all(setup.peers("nginx", "facet", "traefik"))
    cases = []
    for count in COUNTS:
        title = f"GET, 200 bytes, {count:,} connection{'s' * (count > 1)}"
        load = setup.load(connections=count)
        cases.append(setup.compare(title, titles, load, QUICK if quick else PLAN))
    setup.check_logs()
    return {"cases": cases}
