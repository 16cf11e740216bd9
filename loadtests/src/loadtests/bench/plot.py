"""A picture of what a bench found: `python -m loadtests.bench.plot docs/figures/ml.json` writes it anew."""

import json
import sys
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any, Final

WIDTH: Final = 940
NAMES: Final = 450  # pixels for the names
BAR: Final = 22
HEAD: Final = 34
OURS, THEIRS = "#1f77b4", "#b8b8b8"


def bars(path: Path, found: Mapping[str, Any]) -> None:
    """Requests a second by server, one panel a case, as SVG."""
    parts: list[str] = []
    top = 0
    for case in found["cases"]:
        parts += _panel(case, top)
        top += HEAD + BAR * len(case["results"]) + 14
    size = f'width="{WIDTH}" height="{top}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="13">'
    ground = f'<rect {size} fill="white"/>'
    path.write_text("\n".join([head, ground, *parts, "</svg>"]) + "\n", encoding="utf-8")


def _panel(case: Mapping[str, Any], top: int) -> list[str]:
    results = sorted(case["results"], key=lambda result: -result["requests_per_second"])
    most = results[0]["requests_per_second"]
    parts = [f'<text x="8" y="{top + 22}" font-weight="bold">{escape(_title(case))}</text>']
    for place, result in enumerate(results):
        y, rate = top + HEAD + BAR * place, result["requests_per_second"]
        length = (WIDTH - NAMES - 80) * rate / most
        color = OURS if result["title"].startswith("Facet") else THEIRS
        parts += [
            f'<text x="{NAMES - 8}" y="{y + 15}" text-anchor="end">{escape(result["title"])}</text>',
            f'<rect x="{NAMES}" y="{y + 3}" width="{length:.1f}" height="{BAR - 6}" fill="{color}"/>',
            f'<text x="{NAMES + length + 6:.1f}" y="{y + 15}">{rate:,.0f}</text>',
        ]
    return parts


def _title(case: Mapping[str, Any]) -> str:
    if "title" in case:
        return f"{case['title']}: requests a second"
    load = f"{case['share']:.0%} of capacity" if case["share"] else f"{case['connections']} connections"
    rows = "1 row" if case["rows"] == 1 else f"{case['rows']} rows"
    return f"{case['model']}, {rows} a request, {load}: requests a second"


if __name__ == "__main__":
    given = Path(sys.argv[1])
    bars(given.with_suffix(".svg"), json.loads(given.read_text(encoding="utf-8")))
