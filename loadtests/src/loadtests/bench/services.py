"""`make bench-services`: our data services beside the usual template's design and the limit, in one run.

The server under test has a core to itself, as one worker; Postgres, Valkey, the keys and the load share the
other. All servers stay up and are measured in turns, so that each ratio is between neighbours in time.
"""

import argparse
import json
import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from loadtests.bench import environment, machine, nginx, report, valkey, wrk
from loadtests.bench.data_cases import CASES
from loadtests.bench.data_servers import BY_CANARY, PRICED, SERVERS, Data, Server
from loadtests.bench.exceptions import BenchFailed
from loadtests.bench.identity import Issuer
from loadtests.bench.plot import bars
from loadtests.bench.refreshes import BLOCK, RUNS
from loadtests.bench.rig import Rig, choose_cores, free_port, require
from loadtests.bench.rounds import Plan, interleaved

FIGURES = environment.ROOT / "docs/figures/services.json"
METHOD = {
    "load": "wrk -t1 --latency, closed loop; latencies are those at full load",
    "cores": "one worker on one; wrk, Postgres and Valkey on the other",
    "identity": "100 callers in turn: ES256 tokens for Facet, HS256 for the template, none for the limit",
    "models": "nginx, which gives the same price to everybody: what is measured is who asks",
    "log": "one line a request, to a file, for Facet and the template; the limit writes none",
    "check": "before it is measured, each server's first answer must be good and complete",
    "interval": "95 %, Student's t on the logarithms of the rounds' ratios",
}
LIBRARIES = ("fastapi", "uvicorn", "asyncpg", "sqlalchemy", "pydantic")
FULL = Plan(rounds=5, seconds=2, warm_up=1)
QUICK = Plan(rounds=2, seconds=1, warm_up=1)


def main(arguments: list[str] | None = None) -> None:
    given = _parser().parse_args(arguments)
    plan = QUICK if given.quick else FULL
    try:
        require("nginx", "wrk", "taskset")
        facts = machine.steady_facts()
        facts["software"] = _software()
        cases, failed = _measured(given, plan)
    except BenchFailed as failure:
        raise SystemExit(f"bench-services: {failure}") from None
    except KeyboardInterrupt:
        raise SystemExit("bench-services: interrupted; everything it started is stopped") from None
    found = {"machine": facts, "method": METHOD | asdict(plan), "cases": cases}
    out = given.out or (None if given.quick else FIGURES)
    if out and cases:
        found["cases"] = sorted(kept(out, found) + cases, key=lambda case: list(CASES).index(case["case"]))
        report.write(out, found)
        bars(out.with_suffix(".svg"), found)
    if failed:
        raise SystemExit("bench-services: not measured: " + "; ".join(failed))


def _measured(given: argparse.Namespace, plan: Plan) -> tuple[list[dict[str, Any]], list[str]]:
    """The cases, and what could not be measured and why: one that fails does not take the others with it."""
    cases, failed = [], []
    for rows in given.rows:
        with Rig(choose_cores()) as rig:
            bench = Bench(rig, rows)
            for case, connections in product(given.cases, given.connections):
                try:
                    cases.append(bench.run(case, connections, plan))
                except BenchFailed as failure:
                    failed.append(f"{case}: {failure}")
                    _say(failed[-1])
    return cases, failed


def kept(out: Path, found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Cases of `out` that were not measured now, if machine, software and method were the same."""
    try:
        before = json.loads(out.read_text())
        if any(before[part] != found[part] for part in ("machine", "method")):
            return []
        measured = {_key(case) for case in found["cases"]}
        return [case for case in before["cases"] if _key(case) not in measured]
    except (OSError, ValueError, KeyError):
        return []


def _key(case: Mapping[str, Any]) -> tuple[Any, ...]:
    return case["case"], case["rows"], case["connections"]


def _software() -> dict[str, dict[str, str]]:
    peers = environment.versions(environment.data_python(), *LIBRARIES, "sqlmodel", "psycopg", "orjson")
    return {"ours": environment.versions(environment.our_python(), *LIBRARIES), "peers": peers}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m loadtests.bench.services", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="two rounds of a second, to see that it works")
    add("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    add("--connections", nargs="+", type=int, default=[32], help="such as 1 32 256 (default: 32)")
    add("--rows", nargs="+", type=int, default=[100_000], help="listings, such as 1000 100000 1000000")
    add("--out", type=Path, help="JSON file (default: docs/figures/services.json; quick: none)")
    return parser


class Bench:
    """One run with one number of listings. A server is started when the first case needs it, and stays."""

    def __init__(self, rig: Rig, rows: int) -> None:
        self._rig = rig
        self._rows = rows
        self.data = self._surroundings()
        self._ports: dict[str, int] = {}

    def run(self, name: str, connections: int, plan: Plan) -> dict[str, Any]:
        """Measures one case, prints its table, and returns what is worth keeping. Raises BenchFailed."""
        case = CASES[name]
        servers = {server: SERVERS[server] for server in case.servers}
        for one, server in servers.items():
            port = self.port(one)
            case.script(server, self.data, self._script(name, one))
            case.check(server, port, self.data)
        title = f"{case.title}; {self._rows:,} listings, {connections} connections"
        _say(title)
        load = round(os.getloadavg()[0], 2)
        measure = partial(self._measure, name, connections)
        for one in servers:
            measure(one, plan.warm_up * case.longer)
        seconds = plan.seconds * case.longer
        samples = interleaved(list(servers), plan.rounds, partial(measure, seconds=seconds))
        titles = {one: server.title for one, server in servers.items()}
        ratios = report.compare(samples, case.servers[0])
        print(f"\n{title}")  # noqa: T201 - the command's result
        print(report.table(titles, samples, ratios))  # noqa: T201 - the command's result
        facts = {"case": name, "title": title, "rows": self._rows, "connections": connections}
        facts |= machine.moment() | {"load_before": load}
        return report.document(titles, samples, ratios, **facts)

    def _surroundings(self) -> Data:
        folder, core = self._rig.folder, self._rig.cores.load
        (folder / "data").mkdir()
        (folder / "data").chmod(0o755)
        program = str(Path(__file__).parent / "peers" / "data_stage.py")
        sessions = str((BLOCK + 1) * RUNS)
        command = [str(environment.our_python()), program, str(folder / "data"), str(self._rows), sessions]
        written = folder / "data" / "data.json"
        self._rig.start("data", command, core=core, ready=written.exists, patience=900.0)
        password, port, issuer = secrets.token_urlsafe(), free_port(), Issuer()
        redis = valkey.command(folder, password)
        self._rig.start("redis", redis, core=core, ready=lambda: valkey.answers(folder))
        valkey.complete_list(folder, password)
        models, canary = free_port(), free_port()
        data = Data(json.loads(written.read_text()), issuer, folder, password, port, models, canary)
        for name, at, body in (("keys", port, {}), ("models", models, PRICED), ("canary", canary, BY_CANARY)):
            (folder / name).mkdir()
            command = nginx.upstream_command(folder / name, at, json.dumps(body), issuer.jwks)
            self._rig.start(name, command, core=core, ready=partial(data.answers, at, nginx.JWKS_PATH))
        return data

    def port(self, name: str) -> int:
        """Of a server, which is started if it was not."""
        if name not in self._ports:
            self._start(name, SERVERS[name])
        return self._ports[name]

    def _start(self, name: str, server: Server) -> None:
        port = self._ports[name] = free_port()
        given: Mapping[str, str] = server.environment(self.data, port)
        ready = partial(self.data.answers, port, server.ready)
        core = self._rig.cores.server
        self._rig.start(name, server.command(port), core=core, ready=ready, environment=given)

    def _script(self, case: str, server: str) -> Path:
        return self._rig.folder / f"{case}-{server}.lua"

    def _measure(self, case: str, connections: int, server: str, seconds: float) -> wrk.Sample:
        url = f"http://127.0.0.1:{self._ports[server]}/"
        script, core = self._script(case, server), self._rig.cores.load
        sample = wrk.run(url, seconds=seconds, connections=connections, core=core, script=script)
        self._rig.check_alive()
        if CASES[case].longer > 1:  # the queries of those who left would slow the next one: wait behind them
            CASES[case].check(SERVERS[server], self._ports[server], self.data)
        _say(f"  {server:<16}{sample.rate:>9,.0f} req/s")
        return sample


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - progress


if __name__ == "__main__":
    main()
