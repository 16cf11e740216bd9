"""A picture of what a bench found."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots


def bars(path: Path, found: Mapping[str, Any]) -> None:
    """Requests a second by server, one panel a case; an HTML file that needs no network."""
    cases = found["cases"]
    titles = [_title(case) for case in cases]
    figure = make_subplots(rows=len(cases), cols=1, subplot_titles=titles)
    for place, case in enumerate(cases, 1):
        results = sorted(case["results"], key=lambda result: result["requests_per_second"])
        rates = [result["requests_per_second"] for result in results]
        names = [result["title"] for result in results]
        colors = ["#1f77b4" if name.startswith("Facet") else "#bbbbbb" for name in names]
        figure.add_trace(go.Bar(x=rates, y=names, orientation="h", marker_color=colors), row=place, col=1)
    figure.update_layout(height=320 * len(cases), showlegend=False, title="Requests a second, one core each")
    path.write_text(figure.to_html(include_plotlyjs="directory", full_html=True))


def _title(case: Mapping[str, Any]) -> str:
    load = f"{case['share']:.0%} of capacity" if case["share"] else f"{case['connections']} connections"
    return f"{case['model']}, {case['rows']} rows, {load}"
