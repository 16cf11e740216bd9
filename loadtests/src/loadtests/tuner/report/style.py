"""How all plots look: colours, axes, lines of limits."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import plotly.graph_objects as go

from loadtests.tuner.model import AS_IT_RUNS, Configuration

BLUE, ORANGE, GREY, GREEN, RED = "#2563a8", "#d9730d", "#8a8f98", "#2e8540", "#b42318"
_EACH = 12  # workers that have a tick each
LINES = [BLUE, ORANGE, GREEN, "#7b3fa0", "#0f8b8d", "#b5651d"]


def figure_of(across: str, up: str, **axes: Any) -> go.Figure:
    figure = go.Figure()
    figure.update_layout(
        template="plotly_white",
        height=420,
        margin={"l": 70, "r": 20, "t": 20, "b": 60},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        font={"family": "system-ui, sans-serif", "size": 13},
    )
    figure.update_xaxes(title=across, showline=True, linecolor=GREY)
    figure.update_yaxes(title=up, showline=True, linecolor=GREY, **axes)
    return figure


def named(key: Configuration) -> str:
    """Such as `1 worker`, `4 workers pool=5` or `gateway=2 items=1`."""
    if len(key.workers) > 1 or key.label == AS_IT_RUNS:
        return key.label
    count, *knobs = key.label.split(" ", 1)
    return " ".join([count, "worker" if count == "1" else "workers", *knobs])


def whole(figure: go.Figure, most: int) -> None:
    """There is no half a worker."""
    figure.update_xaxes(tickformat="d", **({"dtick": 1} if most <= _EACH else {}))


def limit_line(figure: go.Figure, left: float, right: float, at: float, name: str) -> None:
    if left == right:  # beside a single point it must have a length too
        left, right = 0.8 * left, 1.2 * right
    line = {"dash": "dash", "color": RED}
    figure.add_scatter(x=[left, right], y=[at, at], mode="lines", line=line, name=name)


def logarithmic(update: Callable[..., Any], values: Sequence[float]) -> None:
    """Ticks at 1, 2 and 5 of each power of ten, written out."""
    positive = [value for value in values if value > 0]
    low, high = math.floor(math.log10(min(positive))), math.ceil(math.log10(max(positive)))
    ticks = [digit * 10.0**power for power in range(low, high + 1) for digit in (1, 2, 5)]
    update(type="log", tickvals=ticks, ticktext=[f"{tick:g}" for tick in ticks])
