"""`python -m loadtests.bench.gateway`: an authenticated GET through our gateway and through others.

Every gateway runs on one core, as one process; wrk, the static upstream and Redis share another. All stay up
for the whole run and are measured in turns, so that each ratio is between neighbours in time.
"""

import argparse
import json
import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from loadtests.bench import contract, environment, machine, nginx, report, valkey, wrk
from loadtests.bench.contestants import CONTESTANTS, FACET, Contestant, Stage
from loadtests.bench.exceptions import BenchFailed
from loadtests.bench.identity import Issuer
from loadtests.bench.rig import Rig, choose_cores, free_port, require
from loadtests.bench.rounds import Plan, interleaved

FIGURES = environment.ROOT / "docs/figures/gateway.json"
LOG_TIMEOUT = 5.0  # seconds: lines are gathered for a moment before they are written
CONNECTIONS = 32
CALLERS = 100  # tokens in turn: the same one again and again would flatter whoever remembers it
BODY = json.dumps({"id": 1, "name": "x" * 179}).encode()  # 200 bytes
METHOD = {
    "request": f"GET {contract.PATH} with a bearer token (ES256), {CALLERS} callers in turn",
    "upstream": f"static nginx, {len(BODY)} bytes of JSON, keep-alive",
    "load": f"wrk -t1 -c{CONNECTIONS} --latency, closed loop; latencies are those at full load",
    "cores": "the gateway alone on one; wrk, upstream and Redis on another",
    "access_log": "on, to a file, every request, but where a peer's name says otherwise",
    "signatures": "Facet verifies each token once and remembers it; the usual way verifies each request; "
    "auth_request, forward_auth and forwardAuth have FastAPI + PyJWT on the same core verify each request",
    "interval": "95 %, Student's t on the logarithms of the rounds' ratios",
}
FULL = Plan(rounds=5, seconds=6.0, warm_up=2.0)
QUICK = Plan(rounds=2, seconds=2.0, warm_up=1.0)


def main(arguments: list[str] | None = None) -> None:
    given = _parser().parse_args(arguments)
    try:
        require("nginx", "wrk", "taskset")
        names = {FACET, *given.peers}
        with Rig(choose_cores()) as rig:
            bench = Bench(rig, [CONTESTANTS[name] for name in CONTESTANTS if name in names])
            found = bench.run(QUICK if given.quick else FULL)
    except BenchFailed as failure:
        raise SystemExit(f"bench-gateway: {failure}") from None
    except KeyboardInterrupt:
        raise SystemExit("bench-gateway: interrupted; everything it started is stopped") from None
    if out := given.out or (None if given.quick else FIGURES):
        report.write(out, found)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m loadtests.bench.gateway", description=__doc__)
    others = [name for name in CONTESTANTS if name != FACET]
    add = parser.add_argument
    add("--quick", action="store_true", help="two rounds of two seconds, to see that it works")
    add("--peers", nargs="+", choices=others, default=others, help="default: all of them")
    add("--out", type=Path, help="JSON file (default: docs/figures/gateway.json; quick: none)")
    return parser


class Bench:
    """One run on one rig."""

    def __init__(self, rig: Rig, contestants: list[Contestant]) -> None:
        self._rig = rig
        self._contestants = contestants
        self._ports = {contestant.name: free_port() for contestant in contestants}
        self._issuer = Issuer()
        self._tokens = [self._issuer.token(subject) for subject in range(1, CALLERS + 1)]
        self._script = rig.folder / "callers.lua"
        self._helpers: set[str] = set()  # those that run: peers share them
        self._answered = dict.fromkeys(self._ports, 0)

    def run(self, plan: Plan) -> dict[str, Any]:
        """Measure, print the table, and return what is worth keeping. Raises BenchFailed."""
        facts = machine.facts() | {"software": environment.software()}
        if facts["load_before"] > machine.BUSY:
            _say(f"others use this machine (load average {facts['load_before']}): figures will be disturbed")
        stage = self.prepare()
        titles = {contestant.name: contestant.title for contestant in self._contestants}
        _say("warming up")
        for name in titles:
            self.measure(name, plan.warm_up)
        samples = interleaved(list(titles), plan.rounds, partial(self.measure, seconds=plan.seconds))
        self.check_logs(stage)
        ratios = report.compare(samples, FACET)
        print(report.table(titles, samples, ratios))  # noqa: T201 - the command's result
        given = {**machine.moment(), "machine": facts, "method": METHOD | asdict(plan)}
        return report.document(titles, samples, ratios, **given)

    def prepare(self) -> Stage:
        """Start everything, and check that each gateway does what it should. Raises BenchFailed.

        A peer that cannot be had, or does not keep the contract, is left out with a line that says why.
        """
        stage = self._set_stage()
        for contestant in list(self._contestants):
            _say(f"starting {contestant.title}")
            try:
                self._start(contestant, stage)
            except BenchFailed as failure:
                if contestant.name == FACET:
                    raise
                _say(f"left out: {failure}")
                self._contestants.remove(contestant)
                self._rig.stop(contestant.name)
        wrk.write_callers(self._script, self._tokens)
        return stage

    def _set_stage(self) -> Stage:
        """The upstream and Redis, on the load's core."""
        folder, core, port = self._rig.folder, self._rig.cores.load, free_port()
        stage = Stage(
            folder=folder,
            upstream=f"127.0.0.1:{port}",
            redis_socket=valkey.path(folder),
            redis_password=secrets.token_urlsafe(),
            verifier_port=free_port(),
        )
        upstream = nginx.upstream_command(folder, port, BODY.decode(), self._issuer.jwks)
        self._rig.start("upstream", upstream, core=core, ready=lambda: contract.answers(port, None))
        redis = valkey.command(folder, stage.redis_password)
        self._rig.start("redis", redis, core=core, ready=lambda: valkey.answers(folder))
        valkey.complete_list(folder, stage.redis_password)
        return stage

    def _start(self, contestant: Contestant, stage: Stage) -> None:
        token, port = self._tokens[0], self._ports[contestant.name]
        if contestant.helper is not None and contestant.helper.name not in self._helpers:
            self._helpers.add(contestant.helper.name)
            ready = partial(contract.answers, stage.verifier_port, token, "/verify")
            self._launch(contestant.helper, stage, stage.verifier_port, ready)
        self._launch(contestant, stage, port, partial(contract.answers, port, token))
        contract.check(contestant, port, token, BODY)

    def _launch(self, it: Contestant, stage: Stage, port: int, ready: Callable[[], bool]) -> None:
        command, given = it.command(stage, port), it.environment(stage, port)
        self._rig.start(it.name, command, core=self._rig.cores.server, ready=ready, environment=given)

    def measure(self, name: str, seconds: float) -> wrk.Sample:
        url = f"http://127.0.0.1:{self._ports[name]}{contract.PATH}"
        load = self._rig.cores.load
        sample = wrk.run(url, seconds=seconds, connections=CONNECTIONS, core=load, script=self._script)
        self._rig.check_alive()
        self._answered[name] += sample.requests
        _say(f"  {name:<14}{sample.rate:>9,.0f} req/s")
        return sample

    def check_logs(self, stage: Stage) -> None:
        """Those that should log each request to a file have, or the comparison is not fair."""
        for contestant in self._contestants:
            if not contestant.logs:
                continue
            name = contestant.access_log
            log = stage.folder / name if name else self._rig.log(contestant.name)
            answered, deadline = self._answered[contestant.name], time.monotonic() + LOG_TIMEOUT
            while (lines := _lines(log)) < answered:
                if time.monotonic() > deadline:
                    raise BenchFailed(f"{contestant.name} logged {lines} of {answered} requests")
                time.sleep(0.05)


def _lines(log: Path) -> int:
    with log.open("rb") as file:
        return sum(1 for _ in file)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - progress


if __name__ == "__main__":
    main()
