"""An authenticated GET of 200 bytes through every gateway there is, access logs on."""

from typing import Any

from loadtests.bench.contestants import CONTESTANTS
from loadtests.bench.gateway_setup import Setup
from loadtests.bench.rounds import Plan

PLAN = Plan(rounds=5, seconds=3.0, warm_up=1.0)
QUICK = Plan(rounds=2, seconds=1.0, warm_up=1.0)


def measure(setup: Setup, *, quick: bool) -> dict[str, Any]:
    titles = setup.start_all(list(CONTESTANTS.values()))
    found = setup.compare("GET, 200 bytes, 32 connections", titles, setup.load(), QUICK if quick else PLAN)
    setup.check_logs()
    return {"cases": [found]}
