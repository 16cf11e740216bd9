"""`make bench-ml`: our model server beside others, one core each, the same ONNX files, in one run.

The server under test (with its gateway, where it has one) has a core to itself; the load generator, Redis and
the address of our keys share the other. Servers are started and measured in turns, one at a time.
"""

import argparse
import json
import math
import secrets
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from loadtests.bench import environment, machine, nginx, report, valkey, wrk
from loadtests.bench.exceptions import BenchFailed
from loadtests.bench.identity import Issuer
from loadtests.bench.ml_tasks import TASKS, expected, instances
from loadtests.bench.model_servers import SERVERS, ModelServer, Place, Task
from loadtests.bench.rig import Rig, choose_cores, free_port, require
from loadtests.bench.rounds import Plan, order

FIGURES = environment.ROOT / "docs/figures/ml.json"
BODIES = 64  # different requests in turn
TOLERANCE = 1e-3
METHOD = {
    "request": f"POST, {BODIES} different bodies in turn; Facet checks a bearer token (ES256)",
    "load": "wrk -t1 --latency, closed loop; latencies are those at full load",
    "cores": "the server alone on one; wrk, Redis and keys on the other",
    "check": "before it is measured, each server's first answer must equal ONNX Runtime's own",
    "interval": "95 %, Student's t on the logarithms of the rounds' ratios",
}
FULL = Plan(rounds=3, seconds=4.0, warm_up=1.5)
QUICK = Plan(rounds=2, seconds=2.0, warm_up=1.0)


def main(arguments: list[str] | None = None) -> None:
    given = _parser().parse_args(arguments)
    try:
        require("nginx", "wrk", "taskset")
        found = Bench(given).run(QUICK if given.quick else FULL)
    except BenchFailed as failure:
        raise SystemExit(f"bench-ml: {failure}") from None
    except KeyboardInterrupt:
        raise SystemExit("bench-ml: interrupted; everything it started is stopped") from None
    if out := given.out or (None if given.quick else FIGURES):
        report.write(out, found)
        report_plot(out.with_suffix(".html"), found)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m loadtests.bench.ml", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="two rounds of two seconds, to see that it works")
    add("--servers", nargs="+", choices=list(SERVERS), default=list(SERVERS))
    add("--models", nargs="+", choices=list(TASKS), default=list(TASKS))
    add("--connections", nargs="+", type=int, default=[1, 32, 128])
    add("--rows", nargs="+", type=int, default=[1])
    add("--out", type=Path, help="JSON file (default: docs/figures/ml.json; quick: none)")
    return parser


class Bench:
    """One run: every server once a round, each freshly started, on every case."""

    def __init__(self, given: argparse.Namespace) -> None:
        self._names: list[str] = given.servers
        self._tasks = [TASKS[name] for name in given.models]
        self._cases = [
            (task, rows, count) for task in self._tasks for rows in given.rows for count in given.connections
        ]
        self._issuer = Issuer()
        self._token = self._issuer.token(1)

    def run(self, plan: Plan) -> dict[str, Any]:
        """Measure, print the tables, and return what is worth keeping. Raises BenchFailed."""
        facts = machine.facts()
        taken: dict[tuple[str, int, int], dict[str, list[wrk.Sample]]] = {}
        for task in self._tasks:
            for name in order(self._names, plan.rounds):
                for case, sample in self._measure(SERVERS[name], task, plan):
                    taken.setdefault(case, {}).setdefault(name, []).append(sample)
        cases = [self._document(case, samples) for case, samples in taken.items()]
        settings = {name: SERVERS[name].settings for name in self._names}
        return {
            **machine.moment(),
            "machine": facts,
            "method": METHOD | asdict(plan),
            "settings": settings,
            "cases": cases,
        }

    def _document(
        self, case: tuple[str, int, int], samples: Mapping[str, Sequence[wrk.Sample]]
    ) -> dict[str, Any]:
        model, rows, connections = case
        titles = {name: SERVERS[name].title for name in samples}
        ratios = report.compare(samples, self._names[0])
        print(f"\n{model}, {rows} rows a request, {connections} connections")  # noqa: T201 - the result
        print(report.table(titles, samples, ratios))  # noqa: T201 - the command's result
        return report.document(titles, samples, ratios, model=model, rows=rows, connections=connections)

    def _measure(
        self, server: ModelServer, task: Task, plan: Plan
    ) -> list[tuple[tuple[str, int, int], wrk.Sample]]:
        _say(f"{server.title}, {task.name}")
        found = []
        with Rig(choose_cores()) as rig:
            port = self._start(rig, server, task)
            url = f"http://127.0.0.1:{port}{server.path(task)}"
            for _, rows, connections in (case for case in self._cases if case[0] is task):
                script = rig.folder / f"bodies-{rows}.lua"
                chosen = instances(task, BODIES * rows)
                bodies = [
                    server.body(task, chosen[start : start + rows]) for start in range(0, len(chosen), rows)
                ]
                write_posts(script, bodies, self._headers(server))
                for seconds in (plan.warm_up, plan.seconds):
                    core = rig.cores.load
                    sample = wrk.run(url, seconds=seconds, connections=connections, core=core, script=script)
                rig.check_alive()
                _say(f"  {rows} rows, {connections} connections{sample.rate:>9,.0f} req/s")
                found.append(((task.name, rows, connections), sample))
        return found

    def _headers(self, server: ModelServer) -> dict[str, str]:
        given = {"Content-Type": "application/json"}
        return given | ({"Authorization": f"Bearer {self._token}"} if server.ours else {})

    def _start(self, rig: Rig, server: ModelServer, task: Task) -> int:
        """The port that is asked. Raises BenchFailed when its first answer is not the model's."""
        ours = self._surroundings(rig) if server.ours else {}
        place = Place(rig.folder, free_port(), task, ours)
        chosen = instances(task, 1)
        body = server.body(task, chosen)
        answers: list[Any] = []

        def ready(port: int) -> bool:
            answers[:] = [self._ask(port, server, task, body)]
            return answers[0] is not None

        core, given = rig.cores.server, server.environment(place)
        rig.start(
            server.name, server.command(place), core=core, ready=lambda: ready(place.port), environment=given
        )
        port = place.port
        if server.through_gateway:
            port = free_port()
            gateway = {
                **ours,
                "GATEWAY_PORT": str(port),
                "GATEWAY_ML_PREDICT_URL": f"http://127.0.0.1:{place.port}",
            }
            command = [str(environment.our_python()), "-m", "gateway"]
            rig.start("gateway", command, core=core, ready=lambda: ready(port), environment=gateway)
        self._check(server, task, answers[0])
        return port

    def _surroundings(self, rig: Rig) -> dict[str, str]:
        """Redis and the address of the keys, on the load's core, and what our services must know of them."""
        port, password = free_port(), secrets.token_urlsafe()
        keys = nginx.upstream_command(rig.folder, port, "{}", self._issuer.jwks)
        rig.start("keys", keys, core=rig.cores.load, ready=lambda: _listens(port))
        redis = valkey.command(rig.folder, password)
        rig.start("redis", redis, core=rig.cores.load, ready=lambda: valkey.answers(rig.folder))
        valkey.complete_list(rig.folder, password)
        address = f"http://127.0.0.1:{port}"
        common = {
            "ENVIRONMENT": "production",
            "WORKERS": "1",
            "LOG_FORMAT": "json",
            "REDIS_URL": f"unix://{valkey.path(rig.folder)}",
            "REDIS_PASSWORD": password,
            "JWKS_URL": address + nginx.JWKS_PATH,
        }
        metrics = {"ML_PREDICT_METRICS_PORT": str(free_port()), "GATEWAY_METRICS_PORT": str(free_port())}
        services = {
            f"{prefix}_{name}": value
            for prefix in ("ML_PREDICT", "GATEWAY")
            for name, value in common.items()
        }
        return services | metrics | {
            "GATEWAY_INTERNAL_SECRET": password,
            "GATEWAY_USERS_URL": address,
            "GATEWAY_ITEMS_URL": address,
        }  # fmt: skip

    def _ask(self, port: int, server: ModelServer, task: Task, body: bytes) -> Any:
        """The answer as JSON; None while there is none."""
        url = f"http://127.0.0.1:{port}{server.path(task)}"
        request = urllib.request.Request(url, body, self._headers(server))
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - our own address
                return json.load(answer)
        except (OSError, urllib.error.URLError, ValueError):
            return None

    def _check(self, server: ModelServer, task: Task, answer: Any) -> None:
        wanted = expected(task, instances(task, 1)[0])
        found = server.first(answer)[: len(wanted)]
        if len(found) != len(wanted) or not all(map(_close, found, wanted)):
            raise BenchFailed(f"{server.title} answers {found[:3]}, not {wanted[:3]}")


def _close(found: float, expected: float) -> bool:
    return math.isclose(found, expected, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def _listens(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1):
            return True
    except OSError:
        return False


def write_posts(script: Path, bodies: Sequence[bytes], headers: Mapping[str, str]) -> None:
    """A wrk script that posts the bodies in turn."""
    listed = ",\n".join(f"[==[{body.decode()}]==]" for body in bodies)
    given = ", ".join(f'["{name}"] = "{value}"' for name, value in headers.items())
    script.write_text(
        f"local bodies = {{\n{listed}\n}}\nlocal headers = {{ {given} }}\n"
        "local requests, turn = {}, 0\n"
        "function init(_)\n"
        "  for place, body in ipairs(bodies) do\n"
        '    requests[place] = wrk.format("POST", nil, headers, body)\n'
        "  end\n"
        "end\n"
        "function request()\n"
        "  turn = turn % #requests + 1\n"
        "  return requests[turn]\n"
        "end\n"
    )


def report_plot(path: Path, found: Mapping[str, Any]) -> None:
    """Requests a second by server, one panel a case."""
    from loadtests.bench.plot import bars  # noqa: PLC0415 - plotly takes a second to import

    bars(path, found)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - progress


if __name__ == "__main__":
    main()
