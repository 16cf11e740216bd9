"""One run of `make bench-ml`: every server in turn, on every case."""

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from loadtests.bench import machine, report, wrk
from loadtests.bench.conformance import verdicts
from loadtests.bench.exceptions import BenchFailed
from loadtests.bench.ml_start import Starter
from loadtests.bench.ml_tasks import DIFFERENT, TASKS, bare, instances
from loadtests.bench.model_servers import SERVERS, ModelServer, Task
from loadtests.bench.offered import offered
from loadtests.bench.posts import write_posts
from loadtests.bench.rig import Rig, choose_cores
from loadtests.bench.rounds import Plan, order

BODIES = DIFFERENT
BULK_CONNECTIONS = 4  # enough to keep one core busy, and few enough for a queue of a quarter of a second


class Case(NamedTuple):
    """`share` of capacity is offered in an open loop; 0 is a closed loop."""

    model: str
    rows: int
    connections: int
    share: float = 0.0


class Bench:
    """One run: every server once a round, each freshly started, on every case."""

    def __init__(self, given: argparse.Namespace) -> None:
        self._given = given
        self._names: list[str] = given.servers
        self._starter = Starter()
        self._failed: dict[str, str] = {}  # peers that could not be measured, by name and model

    def run(self, plan: Plan) -> dict[str, Any]:
        """Measure, print the tables, and return what is worth keeping. Raises BenchFailed."""
        facts = machine.facts()
        taken: dict[Case, dict[str, list[wrk.Sample]]] = {}
        for model in self._given.models:
            for name in order(self._names, plan.rounds):
                for case, sample in self._measured(SERVERS[name], TASKS[model], plan):
                    taken.setdefault(case, {}).setdefault(name, []).append(sample)
        taken = {case: _complete(samples, plan.rounds) for case, samples in taken.items()}
        limits = self._limits(taken)
        cases = [self._document(case, samples, limits) for case, samples in sorted(taken.items())]
        settings = {name: SERVERS[name].settings for name in self._names}
        return {
            **machine.moment(),
            "machine": facts,
            "settings": settings,
            "failed": self._failed,
            "open_inference_protocol": verdicts(self._starter, self._names, TASKS[self._given.models[0]]),
            "cases": cases,
        }

    def _limits(self, cases: Iterable[Case]) -> dict[tuple[str, int], float]:
        """Rows a second of ONNX Runtime alone."""
        core = choose_cores().server
        wanted = sorted({(case.model, case.rows) for case in cases})
        return {(model, rows): bare(TASKS[model], rows, 2.0, core) for model, rows in wanted}

    def _document(
        self, case: Case, samples: Mapping[str, Sequence[wrk.Sample]], limits: Mapping[tuple[str, int], float]
    ) -> dict[str, Any]:
        titles = {name: SERVERS[name].title for name in self._names if name in samples}
        samples = {name: samples[name] for name in titles}
        ratios = report.compare(samples, next(iter(samples)))
        limit = round(limits[case.model, case.rows])
        offered = (
            f"{case.share:.0%} of capacity, open loop" if case.share else f"{case.connections} connections"
        )
        print(f"\n{case.model}, {case.rows} rows a request, {offered}")  # noqa: T201 - the result
        print(report.table(titles, samples, ratios))  # noqa: T201 - the command's result
        print(f"ONNX Runtime alone: {limit:,} rows/s")  # noqa: T201 - the command's result
        return report.document(
            titles, samples, ratios, **case._asdict(), onnxruntime_alone_rows_per_second=limit
        )

    def _cases(self, server: ModelServer, task: Task) -> list[Case]:
        given = self._given
        closed = [Case(task.name, rows, count) for rows in given.rows for count in given.connections]
        if server.path(task).startswith("/v2/") and server.ours:
            closed += [Case(task.name, rows, BULK_CONNECTIONS) for rows in given.bulk]
        capacity = [Case(task.name, 1, 32)] if given.open and Case(task.name, 1, 32) not in closed else []
        return [*closed, *capacity, *(Case(task.name, 1, 64, share) for share in given.open)]

    def _measured(self, server: ModelServer, task: Task, plan: Plan) -> list[tuple[Case, wrk.Sample]]:
        """A peer that fails is left out, and the reason is kept. Raises BenchFailed when ours fails."""
        key = f"{server.name}, {task.name}"
        if key in self._failed:
            return []
        try:
            return self._measure(server, task, plan)
        except BenchFailed as failure:
            if server.ours:
                raise
            self._failed[key] = str(failure)
            _say(f"  left out: {failure}")
            return []

    def _measure(self, server: ModelServer, task: Task, plan: Plan) -> list[tuple[Case, wrk.Sample]]:
        _say(f"{server.title}, {task.name}")
        found: list[tuple[Case, wrk.Sample]] = []
        capacity = 0.0
        with Rig(choose_cores()) as rig:
            port = self._starter.start(rig, server, task)
            for case in self._cases(server, task):
                bodies = self._bodies(server, task, case.rows)
                if case.share:
                    sample = self._open(rig, server, task, port, bodies, capacity * case.share, plan)
                else:
                    sample = self._closed(rig, server, task, port, bodies, case, plan)
                if case[1:] == (1, 32, 0.0):
                    capacity = sample.rate
                rig.check_alive()
                share = f", {case.share:.0%} of capacity" if case.share else ""
                _say(f"  {case.rows} rows, {case.connections} connections{share}{sample.rate:>9,.0f} req/s")
                found.append((case, sample))
        return found

    def _bodies(self, server: ModelServer, task: Task, rows: int) -> list[bytes]:
        chosen = instances(task, BODIES * rows)
        return [server.body(task, chosen[start : start + rows]) for start in range(0, len(chosen), rows)]

    def _closed(
        self,
        rig: Rig,
        server: ModelServer,
        task: Task,
        port: int,
        bodies: list[bytes],
        case: Case,
        plan: Plan,
    ) -> wrk.Sample:
        script = rig.folder / f"bodies-{case.rows}.lua"
        write_posts(script, bodies, self._starter.headers(server, bodies[0]))
        url, core = f"http://127.0.0.1:{port}{server.path(task)}", rig.cores.load
        for seconds in (plan.warm_up, plan.seconds):
            sample = wrk.run(url, seconds=seconds, connections=case.connections, core=core, script=script)
        return sample

    def _open(
        self,
        rig: Rig,
        server: ModelServer,
        task: Task,
        port: int,
        bodies: list[bytes],
        rate: float,
        plan: Plan,
    ) -> wrk.Sample:
        headers = {"Host": "127.0.0.1"} | self._starter.headers(server, bodies[0])
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"POST {server.path(task)} HTTP/1.1\r\n{lines}"
        requests = [f"{head}Content-Length: {len(body)}\r\n\r\n{body.decode('latin-1')}" for body in bodies]
        found = offered(requests, port, rate, plan.seconds, rig)
        return wrk.Sample(found.rate, found.p50, found.p99, found.answered, found.failed)


def _complete(samples: Mapping[str, list[wrk.Sample]], rounds: int) -> dict[str, list[wrk.Sample]]:
    """Of those who took part in every round."""
    return {name: taken for name, taken in samples.items() if len(taken) == rounds}


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - progress
