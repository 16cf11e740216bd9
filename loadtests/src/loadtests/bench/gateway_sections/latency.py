"""What a gateway adds to the upstream's latency at half its capacity, in an open loop."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

from loadtests.bench.contestants import FACET, INTERPRETED
from loadtests.bench.exceptions import BenchFailed
from loadtests.bench.gateway_setup import Setup
from loadtests.bench.offered import Offered, offered
from loadtests.bench.pauses import pauses_of, summary
from loadtests.bench.progress import say
from loadtests.bench.rounds import turns

DIRECT = "direct"
LOOK = 1.0  # seconds for which each round looks for pauses of the cores
# As `Offered` has them, and as they are shown.
PERCENTILES = {
    "p50": "p50",
    "p99": "p99",
    "p999": "p99.9",
    "p99_tenth": "p99 of the median tenth of a second",
}


def measure(setup: Setup, *, quick: bool) -> dict[str, Any]:
    """All are offered half of our capacity, or half of their own where that is less.

    Capacity is measured in each round, just before: a machine's pace may change by half in a minute.
    """
    rounds, seconds = (1, 2.0) if quick else (9, 3.0)
    titles = {DIRECT: "the upstream itself"} | setup.start_all(
        setup.peers("nginx", FACET, INTERPRETED, "traefik")
    )
    load = setup.load()
    ports = setup.ports | {DIRECT: int(setup.around.upstream.partition(":")[2])}
    requests = [request.raw for request in setup.requests()]
    taken: dict[str, list[Offered]] = {name: [] for name in titles}
    cores = {"the gateways' core": setup.rig.cores.server, "the load's core": setup.rig.cores.load}
    stopped: list[list[list[float]]] = []
    for names in turns(list(titles), rounds):
        stopped.append(pauses_of(list(cores.values()), LOOK))
        half = {name: setup.measure(name, load, 1).rate / 2 for name in titles if name != DIRECT}
        for name in names:
            rate = min(half.get(name, half[FACET]), half[FACET])
            sample = offered(requests, ports[name], rate, seconds, setup.rig)
            if sample.failed:
                raise BenchFailed(f"{sample.failed} requests to {name} failed at half its capacity")
            say(f"  {name:<18}{sample.rate:>9,.0f} req/s, p99 {sample.p99:.2f} ms")
            taken[name].append(sample)
    rows = [_row(titles[name], samples, taken[DIRECT]) for name, samples in taken.items()]
    paused = [
        {"title": title, **asdict(summary(looks, LOOK))}
        for title, looks in zip(cores, zip(*stopped, strict=True), strict=True)
    ]
    _show(rows)
    _show_pauses(paused)
    return {"latency_at_half_load": rows, "pauses": paused}


def _row(title: str, samples: Sequence[Offered], direct: Sequence[Offered]) -> dict[str, Any]:
    """Milliseconds: medians of the rounds; what is added is taken round by round."""
    row: dict[str, Any] = {
        "title": title,
        "offered_per_second": round(median(sample.rate for sample in samples)),
    }
    for name in PERCENTILES:
        row[f"{name}_ms"] = round(median(getattr(one, name) for one in samples), 3)
        added = [getattr(one, name) - getattr(base, name) for one, base in zip(samples, direct, strict=True)]
        row[f"{name}_added_ms"] = round(median(added), 3)
        row[f"{name}_added_rounds_ms"] = [round(one, 3) for one in added]
    return row


def _show(rows: Sequence[Mapping[str, Any]]) -> None:
    print("\nlatency in an open loop, ms, and what is added to the upstream's own")  # noqa: T201 - the result
    for row in rows:
        shown = "  ".join(
            f"{title} {row[f'{name}_ms']:.2f} ({row[f'{name}_added_ms']:+.2f})"
            for name, title in PERCENTILES.items()
        )
        print(f"{row['title']:<50} {row['offered_per_second']:>7,}/s  {shown}")  # noqa: T201 - the result


def _show_pauses(paused: Sequence[Mapping[str, Any]]) -> None:
    for row in paused:
        print(  # noqa: T201 - the result
            f"a program that only looks at the clock, on {row['title']}: stopped for more than 1 ms "
            f"{row['per_second']:.1f} times a second, {row['ms_per_second']:.1f} ms in all, "
            f"{row['longest_ms']:.1f} ms at the longest"
        )
