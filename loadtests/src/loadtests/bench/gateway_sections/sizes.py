"""Answers of 10 KB and 1 MB, and bodies of 1 KB and 100 KB."""

from typing import Any

from loadtests.bench import nginx
from loadtests.bench.contestants import FACET, facet_with
from loadtests.bench.gateway_sections import tables
from loadtests.bench.gateway_setup import Setup
from loadtests.bench.rounds import Plan

PLAN = Plan(rounds=3, seconds=2.0, warm_up=1.0)
QUICK = Plan(rounds=2, seconds=1.0, warm_up=1.0)
ANSWERS = {"10 KB": 10_000, "1 MB": 1_000_000}
BODIES = {"1 KB": 1_000, "100 KB": 100_000}


def measure(setup: Setup, *, quick: bool) -> dict[str, Any]:
    plan, folder = QUICK if quick else PLAN, setup.rig.folder
    files = folder / nginx.FILES.strip("/")
    files.mkdir(mode=0o755)
    table = {"GATEWAY_ROUTES_FILE": str(tables.bodies(folder))}
    ours = facet_with(FACET, "Facet", table)
    titles = setup.start_all([*setup.peers("nginx"), ours, *setup.peers("traefik", "fastify", "usual")])
    cases = []
    for name, size in ANSWERS.items():
        (files / str(size)).write_bytes(b"x" * size)
        load = setup.load(path=f"{nginx.FILES}/{size}")
        cases.append(setup.compare(f"GET, an answer of {name}, 32 connections", titles, load, plan))
    for name, size in BODIES.items():
        load = setup.load("POST", "/posted", "x" * size)
        cases.append(setup.compare(f"POST, a body of {name}, 32 connections", titles, load, plan))
    setup.check_logs()
    return {"cases": cases}
