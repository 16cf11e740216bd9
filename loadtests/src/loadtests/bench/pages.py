"""`make bench-pages`: what a page of listings costs in a small and in a large table, and deep inside it.

Two databases, each with its own worker of `items`; all workers share one core and are asked in turns. Nobody
else is measured: the design that people start from, and the limit, stand in `make bench-services`.
"""

import argparse
import json
import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from loadtests.bench import environment, machine, report, wrk
from loadtests.bench.data_servers import SERVERS
from loadtests.bench.exceptions import BenchFailed
from loadtests.bench.request import Request, ask_for, write_requests
from loadtests.bench.rig import Rig, choose_cores, require
from loadtests.bench.rounds import Plan, interleaved
from loadtests.bench.services import Bench
from loadtests.bench.stats import paired_ratio

FIGURES: Final = environment.ROOT / "docs/figures/pages.json"
FULL: Final = Plan(rounds=6, seconds=2, warm_up=1)
QUICK: Final = Plan(rounds=2, seconds=1, warm_up=1)
CONNECTIONS: Final = 8
KINDS: Final = {
    "newest": ({}, "the newest"),
    "price": ({"sort": "price"}, "the cheapest"),
    "cut": ({"cut": "Ideal"}, "of one cut, the newest"),
}
DEPTHS: Final = {
    "first": (0.0, "the first page"),
    "middle": (0.5, "the middle"),
    "end": (0.9, "near the end"),
}
METHOD: Final = {
    "load": f"wrk -t1 --latency, closed loop, {CONNECTIONS} connections",
    "cores": "the workers on one, one of them asked at a time; wrk, Postgres and Valkey on the other",
    "deep": "by the cursor of the page before, as a client goes on; the first page also has its total",
    "interval": "95 %, Student's t on the logarithms of the rounds' ratios",
}


def main(arguments: list[str] | None = None) -> None:
    given = _parser().parse_args(arguments)
    plan = QUICK if given.quick else FULL
    try:
        require("nginx", "wrk", "taskset")
        facts = machine.facts()
        with ExitStack() as stack:
            tables = {rows: Table(stack.enter_context(Rig(choose_cores())), rows) for rows in given.rows}
            found = [_compared(tables, kind, plan) for kind in given.kinds]
    except BenchFailed as failure:
        raise SystemExit(f"bench-pages: {failure}") from None
    except KeyboardInterrupt:
        raise SystemExit("bench-pages: interrupted; everything it started is stopped") from None
    print(table(found))  # noqa: T201 - the command's result
    if out := given.out or (None if given.quick else FIGURES):
        method = METHOD | asdict(plan)
        report.write(out, {**machine.moment(), "machine": facts, "method": method, "pages": found})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m loadtests.bench.pages", description=__doc__)
    add = parser.add_argument
    add("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    add("--rows", nargs="+", type=int, default=[1000, 1_000_000], help="(default: 1000 1000000)")
    add("--quick", action="store_true", help="two rounds of a second, to see that it works")
    add("--out", type=Path, help="JSON file (default: docs/figures/pages.json; quick: none)")
    return parser


class Table:
    """A database with `rows` listings, and the worker that reads it."""

    def __init__(self, rig: Rig, rows: int) -> None:
        self.rows = rows
        self._rig = rig
        bench = Bench(rig, rows)
        self._port = bench.port("facet")
        self._caller = SERVERS["facet"].bearer(bench.data, 1)

    def prepare(self, kind: str, depth: str) -> None:
        """Raises BenchFailed if there is no such page."""
        query = {"limit": "20", **KINDS[kind][0]}
        if skipped := int(self._matches(query) * DEPTHS[depth][0]):
            before = self._ask({**query, "skip": str(skipped)})
            cursor = re.search(r"[?&]cursor=([\w-]+)", before.get("link", ""))
            if cursor is None:
                raise BenchFailed(f"there is no page after {skipped} of {self.rows} rows")
            query["cursor"] = cursor[1]
        self._ask(query)
        write_requests(self._script(kind, depth), [self._request(query)])

    def measure(self, kind: str, depth: str, seconds: float) -> wrk.Sample:
        script, core = self._script(kind, depth), self._rig.cores.load
        url = f"http://127.0.0.1:{self._port}/"
        return wrk.run(url, seconds=seconds, connections=CONNECTIONS, core=core, script=script)

    def _matches(self, query: dict[str, str]) -> int:
        return int(self._ask(query)["x-total-count"])

    def _ask(self, query: dict[str, str]) -> dict[str, str]:
        """The headers of a good answer with a whole page."""
        status, headers, body = ask_for(self._port, self._request(query))
        if status != HTTPStatus.OK or len(json.loads(body)) != int(query["limit"]):
            raise BenchFailed(f"{status} {body[:200]!r} to {query}")
        return headers

    def _request(self, query: dict[str, str]) -> Request:
        return replace(Request("GET", "/items?" + urlencode(query)), headers=self._caller)

    def _script(self, kind: str, depth: str) -> Path:
        return self._rig.folder / f"{kind}-{depth}.lua"


def _compared(tables: dict[int, Table], kind: str, plan: Plan) -> dict[str, Any]:
    """Each depth of each table beside the same depth of the first table, and beside its own first page."""
    places = {f"{rows}-{depth}": (table, depth) for rows, table in tables.items() for depth in DEPTHS}
    for place, depth in places.values():
        place.prepare(kind, depth)

    def measure(name: str, seconds: float) -> wrk.Sample:
        place, depth = places[name]
        return place.measure(kind, depth, seconds)

    for name in places:
        measure(name, plan.warm_up)
    samples = interleaved(list(places), plan.rounds, partial(measure, seconds=plan.seconds))
    times = {name: [1 / sample.rate for sample in taken] for name, taken in samples.items()}
    smallest = min(tables)
    pages = []
    for name, (place, depth) in places.items():
        same_depth, first = f"{smallest}-{depth}", f"{place.rows}-first"
        pages.append(
            {
                "rows": place.rows,
                "depth": DEPTHS[depth][1],
                "ms": round(1000 * sorted(times[name])[len(times[name]) // 2], 3),
                "of_the_small_table": asdict(paired_ratio(times[name], times[same_depth])),
                "of_the_first_page": asdict(paired_ratio(times[name], times[first])),
                "rounds": [asdict(sample) for sample in samples[name]],
            }
        )
    return {"kind": kind, "title": KINDS[kind][1], "pages": pages}


def table(found: Sequence[dict[str, Any]]) -> str:
    """Markdown."""
    lines = [
        "| 20 listings | rows | where | time a page | of the same in the small table | of the first page |",
        "|---|---|---|---|---|---|",
    ]
    for one in found:
        for page in one["pages"]:
            shown = [
                f"{ratio['median']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f})"
                for ratio in (page["of_the_small_table"], page["of_the_first_page"])
            ]
            start = f"| {one['title']} | {page['rows']:,} | {page['depth']} | {page['ms']:.2f} ms"
            lines.append(f"{start} | {' | '.join(shown)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
