"""The gateway's part of docs/figures/README.md, written from what was measured."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from loadtests.bench.gateway_sections.latency import PERCENTILES
from loadtests.tuner.blocks import replace_block

BLOCK = "gateway"
Found = Mapping[str, Any]


def write(page: Path, found: Found) -> None:
    """Raises ValueError when the page has no place for it."""
    replace_block(page, BLOCK, text(found))


def text(found: Found) -> str:
    machine = found["machine"]
    measured = (
        f"Measured {found['date']} on {machine['cpu']}, Python {machine['software']['ours']['python']}."
    )
    parts = [measured, *map(_case, found["cases"])]
    for name, shown in (
        ("latency_at_half_load", _latency),
        ("pauses", _pauses),
        ("memory", _memory),
        ("cost_of_features", _cost),
    ):
        if name in found:
            parts.append(shown(found[name]))
    return "\n\n".join([*parts, "![Requests a second](gateway.svg)"])


def _case(case: Found) -> str:
    rows = [
        (
            result["title"],
            f"{result['requests_per_second']:,.0f}",
            f"{result['p50_ms']:.2f} ms",
            f"{result['p99_ms']:.2f} ms",
            _ratio(result["facet_is_times_as_fast"]),
        )
        for result in case["results"]
    ]
    first = next(result["title"] for result in case["results"] if not result["facet_is_times_as_fast"])
    head = (case["title"], "requests/s", "p50", "p99", f"{first} is … times as fast (95 %)")
    return _table(head, rows)


def _ratio(ratio: Mapping[str, float] | None) -> str:
    if ratio is None:
        return ""
    return f"{ratio['median']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f})"


def _latency(rows: Iterable[Found]) -> str:
    added = [f"{shown} (added)" for shown in PERCENTILES.values()]
    head = ("Half of the capacity, open loop", "offered/s", *added)
    shown = [
        (
            row["title"],
            f"{row['offered_per_second']:,}",
            *(f"{row[f'{name}_ms']:.2f} ms ({row[f'{name}_added_ms']:+.2f})" for name in PERCENTILES),
        )
        for row in rows
    ]
    return _table(head, shown)


def _pauses(rows: Iterable[Found]) -> str:
    head = (
        "A program that only looks at the clock",
        "stopped for more than 1 ms",
        "in all",
        "at the longest",
    )
    shown = [
        (
            row["title"],
            f"{row['per_second']:.1f} times a second",
            f"{row['ms_per_second']:.1f} ms a second",
            f"{row['longest_ms']:.1f} ms",
        )
        for row in rows
    ]
    return _table(head, shown)


def _memory(rows: Iterable[Found]) -> str:
    head = ("Resident memory", "meanwhile", "before", "at most")
    shown = [
        (row["title"], row["what"], f"{row['before_mb']:.1f} MB", f"+{row['growth_mb']:.1f} MB")
        for row in rows
    ]
    return _table(head, shown)


def _cost(rows: Iterable[Found]) -> str:
    head = ("One feature off at a time", "CPU of a request without it", "so it costs (95 %)")
    shown = [
        (
            row["title"],
            f"{row['cpu_us']:.1f} µs",
            f"{row['cost_us']:.1f} µs ({row['low_us']:.1f} to {row['high_us']:.1f})",
        )
        for row in rows
    ]
    return _table(head, shown)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
