"""The plots. Every axis has its unit, every interval is 95 %."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from loadtests.tuner.model import Configuration
from loadtests.tuner.outcome import Outcome, Verdict
from loadtests.tuner.summary import About, interval, trials
from loadtests.tuner.usl import held_out

BLUE, ORANGE, GREY, GREEN, RED = "#2563a8", "#d9730d", "#8a8f98", "#2e8540", "#b42318"
_NO_ANSWER = 60.0  # seconds; nothing this late is plotted
_LINES = [BLUE, ORANGE, GREEN, "#7b3fa0", "#0f8b8d", "#b5651d"]


def all_figures(outcome: Outcome, about: About) -> Mapping[str, go.Figure]:
    """By heading; those without data are left out."""
    if outcome.verdict is Verdict.MEASURED:
        figure = latency(outcome, about)
        return {"Latency against load": figure} if figure else {}
    made = {
        "Capacity at the SLO": capacity(outcome, about),
        "Scalability law": law(outcome, about),
        "Latency against load": latency(outcome, about),
        "Goodput against offered load": goodput(outcome, about),
        "Requests of each worker": shares(outcome),
        "Memory": memory(outcome, about),
    }
    return {heading: figure for heading, figure in made.items() if figure is not None}


def _figure(across: str, up: str, **axes: Any) -> go.Figure:
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


def _by_count(outcome: Outcome) -> list[tuple[int, Configuration, float]]:
    rates = outcome.capacities()
    return sorted((key.total_workers, key, rate) for key, rate in rates.items())


def capacity(outcome: Outcome, about: About) -> go.Figure | None:
    points = _by_count(outcome)
    if not points:
        return None
    figure = _figure("workers", f"{about.unit} within the SLO", rangemode="tozero")
    raced = [(count, key, rate) for count, key, rate in points if interval(outcome, key)]
    rough = [point for point in points if point not in raced]
    figure.add_scatter(
        x=[count for count, *_ in rough],
        y=[rate for *_, rate in rough],
        mode="markers",
        marker={"symbol": "circle-open", "size": 9, "color": GREY},
        name="first look only",
    )
    bounds = [interval(outcome, key) or (rate, rate) for _, key, rate in raced]
    figure.add_scatter(
        x=[count for count, *_ in raced],
        y=[rate for *_, rate in raced],
        error_y={
            "array": [high - rate for (_, high), (*_, rate) in zip(bounds, raced, strict=True)],
            "arrayminus": [rate - low for (low, _), (*_, rate) in zip(bounds, raced, strict=True)],
        },
        mode="markers",
        marker={"size": 9, "color": BLUE},
        name="mean of the rounds, 95 % interval",
    )
    if outcome.choice is not None:
        figure.add_scatter(
            x=[outcome.choice.total_workers],
            y=[outcome.capacities()[outcome.choice]],
            mode="markers",
            marker={"symbol": "diamond-open", "size": 18, "color": ORANGE, "line": {"width": 3}},
            name="chosen",
        )
    return figure


def law(outcome: Outcome, about: About) -> go.Figure | None:
    measured = {count: rate for count, _, rate in _by_count(outcome) if rate > 0}
    fitted = held_out(measured)
    if fitted is None or len(next(iter(outcome.capacities())).workers) > 1:
        return None
    found, unseen = fitted
    figure = _figure("workers", f"{about.unit} within the SLO", rangemode="tozero")
    largest = max(measured)
    counts = [1 + step * (largest - 1) / 200 for step in range(201)]
    hidden = {point.workers for point in unseen}
    figure.add_scatter(
        x=counts, y=[found.capacity(n) for n in counts], mode="lines", line={"color": BLUE}, name="law"
    )
    figure.add_scatter(
        x=[n for n in measured if n not in hidden],
        y=[rate for n, rate in measured.items() if n not in hidden],
        mode="markers",
        marker={"color": BLUE, "size": 9},
        name="fitted on",
    )
    figure.add_scatter(
        x=[point.workers for point in unseen],
        y=[point.predicted.value for point in unseen],
        error_y={
            "array": [point.predicted.high - point.predicted.value for point in unseen],
            "arrayminus": [point.predicted.value - point.predicted.low for point in unseen],
        },
        mode="markers",
        marker={"color": GREY, "size": 5},
        name="predicted, 95 % interval",
    )
    figure.add_scatter(
        x=[point.workers for point in unseen],
        y=[point.measured for point in unseen],
        mode="markers",
        marker={"color": ORANGE, "size": 9, "symbol": "x"},
        name="held out, measured",
    )
    figure.update_yaxes(range=[0, 1.35 * max(measured.values())])
    return figure


def latency(outcome: Outcome, about: About) -> go.Figure | None:
    figure = _figure(f"offered load, {about.unit}", f"p{about.slo.percentile:g}, ms")
    values = [about.slo.latency * 1000]
    rates: list[float] = []
    for index, (key, taken) in enumerate(_shown(outcome).items()):
        seen = [trial for trial in taken if trial.latency < _NO_ANSWER]
        figure.add_scatter(
            x=[trial.rate for trial in seen],
            y=[trial.latency * 1000 for trial in seen],
            mode="markers",
            marker={"color": _LINES[index % len(_LINES)], "size": 7},
            name=key.label if outcome.verdict is Verdict.MEASURED else f"{key.label} workers",
        )
        values += [trial.latency * 1000 for trial in seen]
        rates += [trial.rate for trial in seen]
    if not rates:
        return None
    _limit(figure, min(rates), max(rates), about.slo.latency * 1000, "SLO")
    _logarithmic(figure.update_yaxes, values)
    return figure


def goodput(outcome: Outcome, about: About) -> go.Figure | None:
    choice = outcome.choice
    if choice is None:
        return None
    measured = [taken for trial in trials(outcome).get(choice, []) for taken in trial.measurements]
    if choice in outcome.stress:
        measured += [overload.taken for overload in outcome.stress[choice].overloads]
    measured.sort(key=lambda taken: taken.offered)
    figure = _figure(f"offered load, {about.unit}", "requests/s")
    offered = [taken.offered for taken in measured]
    figure.add_scatter(
        x=offered, y=[m.answered for m in measured], mode="markers", marker_color=GREY, name="answered"
    )
    figure.add_scatter(
        x=offered,
        y=[taken.goodput(about.slo) for taken in measured],
        mode="markers",
        marker_color=BLUE,
        name="answered within the SLO (goodput)",
    )
    _logarithmic(figure.update_xaxes, offered)
    return figure if measured else None


def shares(outcome: Outcome) -> go.Figure | None:
    taken = trials(outcome).get(outcome.choice, []) if outcome.choice else []
    by_service = taken[-1].measurements[-1].resources.worker_shares if taken else {}
    figure = _figure("worker, busiest first", "share of the requests, %", rangemode="tozero")
    for index, (service, listed) in enumerate(by_service.items()):
        ranked = sorted(listed, reverse=True)
        figure.add_bar(
            x=list(range(1, len(ranked) + 1)),
            y=[100 * share for share in ranked],
            marker_color=_LINES[index % len(_LINES)],
            name=service,
            showlegend=True,
        )
    if len(by_service) == 1:
        workers = max(map(len, by_service.values()))
        _limit(figure, 0.5, workers + 0.5, 100 / workers, "equal share")
    figure.update_xaxes(tickformat="d")
    return figure if by_service else None


def memory(outcome: Outcome, about: About) -> go.Figure | None:
    most: dict[int, int] = {}
    for key, taken in trials(outcome).items():
        for trial in taken:
            for measured in trial.measurements:
                pss = measured.resources.pss or 0
                most[key.total_workers] = max(most.get(key.total_workers, 0), pss)
    seen = {count: pss for count, pss in sorted(most.items()) if pss}
    figure = _figure("workers", "memory (PSS), MiB", rangemode="tozero")
    figure.add_scatter(
        x=list(seen), y=[pss / 1024**2 for pss in seen.values()], mode="lines+markers", line_color=BLUE,
        name="most seen", showlegend=True,
    )  # fmt: skip
    if about.limits.memory and seen:
        _limit(figure, min(seen), max(seen), about.limits.memory / 1024**2, "limit")
    return figure if seen else None


def _shown(outcome: Outcome) -> dict[Configuration, list[Any]]:
    """The raced ones, or all if none was; at most six, so that the lines can be told apart."""
    everything = trials(outcome)
    raced = [key for key in outcome.rounds if key in everything] or list(everything)
    return {key: everything[key] for key in raced[: len(_LINES)]}


def _limit(figure: go.Figure, left: float, right: float, at: float, name: str) -> None:
    line = {"dash": "dash", "color": RED}
    figure.add_scatter(x=[left, right], y=[at, at], mode="lines", line=line, name=name)


def _logarithmic(update: Callable[..., Any], values: Sequence[float]) -> None:
    """Ticks at 1, 2 and 5 of each power of ten, written out."""
    positive = [value for value in values if value > 0]
    low, high = math.floor(math.log10(min(positive))), math.ceil(math.log10(max(positive)))
    ticks = [digit * 10.0**power for power in range(low, high + 1) for digit in (1, 2, 5)]
    update(type="log", tickvals=ticks, ticktext=[f"{tick:g}" for tick in ticks])
