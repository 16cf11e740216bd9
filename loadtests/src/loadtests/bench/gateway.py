"""`make bench-gateway`: our gateway beside others, in sections that can be chosen.

Every gateway runs on one core; wrk, the static upstream and Redis share another. Those of a section stay up
while it runs and are measured in turns, so that each ratio is between neighbours in time.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from loadtests.bench import contract, environment, gateway_page, machine, report
from loadtests.bench.exceptions import BenchFailed
from loadtests.bench.gateway_sections import (
    connections,
    latency,
    memory,
    peers,
    routes,
    sizes,
    stages,
    workers,
)
from loadtests.bench.gateway_setup import BODY, CALLERS, Setup
from loadtests.bench.plot import bars
from loadtests.bench.progress import say
from loadtests.bench.rig import Rig, choose_cores, require

FIGURES = environment.ROOT / "docs/figures/gateway.json"
SECTIONS: dict[str, Callable[..., dict[str, Any]]] = {
    "peers": peers.measure,
    "sizes": sizes.measure,
    "connections": connections.measure,
    "routes": routes.measure,
    "workers": workers.measure,
    "latency": latency.measure,
    "memory": memory.measure,
    "stages": stages.measure,
}
METHOD = {
    "request": f"GET {contract.PATH} with a bearer token (ES256), {CALLERS} callers in turn",
    "upstream": f"static nginx, {len(BODY)} bytes of JSON, keep-alive",
    "load": "wrk -t1 --latency, closed loop; latencies are those at full load, but in the section of latency",
    "cores": "the gateway alone on one; wrk, upstream and Redis on another",
    "access_log": "on, to a file, every request, but where a peer's name says otherwise",
    "signatures": "Facet, fastify and the bare ASGI proxy verify each token once and remember it; the usual "
    "way verifies each request; auth_request, forward_auth and forwardAuth have FastAPI + PyJWT on the same "
    "core verify each request",
    "interval": "95 %, Student's t on the logarithms of the rounds' ratios",
    "cost": "microseconds on the CPU of a request at full load, less those with the feature switched off",
    "memory": "growth of the kernel's high-water mark of resident memory, all processes of the gateway",
}


def main(arguments: list[str] | None = None) -> None:
    given = _parser().parse_args(arguments)
    chosen = [name for name in SECTIONS if name in given.only]
    try:
        require("nginx", "wrk", "taskset")
        choose_cores()
        facts = machine.facts() | {"software": environment.software()}
        if facts["load_before"] > machine.BUSY:
            say(f"others use this machine (load average {facts['load_before']}): figures will be disturbed")
        found = {**machine.moment(), "machine": facts, "method": METHOD, "cases": []}
        for name in chosen:
            _add(found, run(name, quick=given.quick))
    except BenchFailed as failure:
        raise SystemExit(f"bench-gateway: {failure}") from None
    except KeyboardInterrupt:
        raise SystemExit("bench-gateway: interrupted; everything it started is stopped") from None
    whole = chosen == list(SECTIONS) and not given.quick
    if out := given.out or (FIGURES if whole else None):
        report.write(out, found)
        bars(out.with_suffix(".svg"), found)
    if whole:
        gateway_page.write(environment.ROOT / "docs/figures/README.md", found)


def run(name: str, *, quick: bool) -> dict[str, Any]:
    """One section, on a rig of its own. Raises BenchFailed."""
    began = time.monotonic()
    say(f"\n{name}")
    with Rig(choose_cores()) as rig:
        found = SECTIONS[name](Setup(rig), quick=quick)
    say(f"{name} took {time.monotonic() - began:.0f} s")
    return found


def _add(found: dict[str, Any], section: dict[str, Any]) -> None:
    found["cases"] += section.pop("cases", [])
    found.update(section)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m loadtests.bench.gateway", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="rounds of a second, to see that it works")
    add("--only", type=_names, default=list(SECTIONS), help=f"of {','.join(SECTIONS)} (default: all)")
    add(
        "--out",
        type=Path,
        help="JSON file, a figure beside it (default: docs/figures/gateway.json, if all is measured)",
    )
    return parser


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in SECTIONS]:
        raise argparse.ArgumentTypeError(f"no section {unknown[0]!r}: {', '.join(SECTIONS)}")
    return names


if __name__ == "__main__":
    main()
