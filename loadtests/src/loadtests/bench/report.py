"""What a bench found: a table for people, JSON for the figures that are kept."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from loadtests.bench.stats import Ratio, paired_ratio
from loadtests.bench.wrk import Sample


def compare(samples: Mapping[str, Sequence[Sample]], ours: str) -> dict[str, Ratio]:
    """How many times as fast `ours` is as each other, by requests a second."""
    rates = {name: [sample.rate for sample in taken] for name, taken in samples.items()}
    return {name: paired_ratio(rates[ours], theirs) for name, theirs in rates.items() if name != ours}


def table(
    titles: Mapping[str, str],
    samples: Mapping[str, Sequence[Sample]],
    ratios: Mapping[str, Ratio],
    ours: str = "Facet",
) -> str:
    width = max(map(len, titles.values()))
    lines = [
        f"{'one core each':<{width}}  {'req/s':>8}  {'p50 ms':>7}  {'p99 ms':>7}  {ours} is … times as fast"
    ]
    for name, title in titles.items():
        rate, p50, p99 = (_median(samples[name], what) for what in ("rate", "p50", "p99"))
        ratio = ratios.get(name)
        shown = f"{_times(ratio.median)} ({_times(ratio.low)} to {_times(ratio.high)})" if ratio else ""
        lines.append(f"{title:<{width}}  {rate:>8,.0f}  {p50:>7.2f}  {p99:>7.2f}  {shown}".rstrip())
    return "\n".join(lines)


def _times(value: float) -> str:
    return f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def document(
    titles: Mapping[str, str],
    samples: Mapping[str, Sequence[Sample]],
    ratios: Mapping[str, Ratio],
    **facts: Any,
) -> dict[str, Any]:
    """Milliseconds, requests a second; every round is kept, so that others can do their own statistics."""
    return {
        **facts,
        "results": [
            {
                "name": name,
                "title": title,
                "requests_per_second": _median(samples[name], "rate", 1),
                "p50_ms": _median(samples[name], "p50"),
                "p99_ms": _median(samples[name], "p99"),
                "rounds": [
                    {"requests_per_second": sample.rate, "p50_ms": sample.p50, "p99_ms": sample.p99}
                    for sample in samples[name]
                ],
                "facet_is_times_as_fast": _rounded(ratios[name]) if name in ratios else None,
            }
            for name, title in titles.items()
        ],
    }


def _median(samples: Sequence[Sample], what: str, digits: int = 3) -> float:
    values: list[float] = [getattr(sample, what) for sample in samples]
    return round(median(values), digits)


def _rounded(ratio: Ratio) -> dict[str, float]:
    return {"median": round(ratio.median, 3), "low": round(ratio.low, 3), "high": round(ratio.high, 3)}


def write(path: Path, found: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
