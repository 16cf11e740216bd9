"""The plots. Every axis has its unit, every interval is 95 %."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from loadtests.tuner.model import Configuration
from loadtests.tuner.outcome import Outcome, Verdict
from loadtests.tuner.report.style import (
    BLUE,
    GREY,
    LINES,
    ORANGE,
    figure_of,
    limit_line,
    logarithmic,
    named,
    whole,
)
from loadtests.tuner.report.worker_figures import memory, shares
from loadtests.tuner.summary import About, interval, trials
from loadtests.tuner.usl import held_out

Point = tuple[int, Configuration, float]  # workers, configuration, capacity

_NO_ANSWER = 60.0  # seconds; nothing this late is plotted


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


def _by_count(outcome: Outcome) -> list[Point]:
    rates = outcome.capacities()
    return sorted((key.total_workers, key, rate) for key, rate in rates.items())


def capacity(outcome: Outcome, about: About) -> go.Figure | None:
    points = _by_count(outcome)
    if not points:
        return None
    figure = figure_of("workers", f"{about.unit} within the SLO", rangemode="tozero")
    raced = [(count, key, rate) for count, key, rate in points if interval(outcome, key)]
    rough = [point for point in points if point not in raced]
    whole(figure, points[-1][0])
    figure.add_scatter(
        x=[count for count, *_ in rough],
        y=[rate for *_, rate in rough],
        **_labelled(points, rough),
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
        **_labelled(points, raced),
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


def _labelled(points: Sequence[Point], shown: Sequence[Point]) -> Mapping[str, Any]:
    """Where other settings differ, points of one count need to be told apart."""
    if len({key.knobs for _, key, _ in points}) == 1:
        return {"mode": "markers"}
    text = [", ".join(f"{name}={value}" for name, value in key.knobs) for _, key, _ in shown]
    return {"mode": "markers+text", "text": text, "textposition": "middle right"}


def law(outcome: Outcome, about: About) -> go.Figure | None:
    measured = {count: rate for count, _, rate in _by_count(outcome) if rate > 0}
    fitted = held_out(measured)
    if fitted is None or len(next(iter(outcome.capacities())).workers) > 1:
        return None
    found, unseen = fitted
    figure = figure_of("workers", f"{about.unit} within the SLO", rangemode="tozero")
    largest = max(measured)
    whole(figure, largest)
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
    figure = figure_of(f"offered load, {about.unit}", f"p{about.slo.percentile:g}, ms")
    values = [about.slo.latency * 1000]
    rates: list[float] = []
    for index, (key, taken) in enumerate(_shown(outcome).items()):
        seen = [trial for trial in taken if trial.latency < _NO_ANSWER]
        figure.add_scatter(
            x=[trial.rate for trial in seen],
            y=[trial.latency * 1000 for trial in seen],
            mode="markers",
            marker={"color": LINES[index % len(LINES)], "size": 7},
            name=named(key),
        )
        values += [trial.latency * 1000 for trial in seen]
        rates += [trial.rate for trial in seen]
    if not rates:
        return None
    limit_line(figure, min(rates), max(rates), about.slo.latency * 1000, "SLO")
    logarithmic(figure.update_yaxes, values)
    return figure


def goodput(outcome: Outcome, about: About) -> go.Figure | None:
    choice = outcome.choice
    if choice is None:
        return None
    measured = [taken for trial in trials(outcome).get(choice, []) for taken in trial.measurements]
    if choice in outcome.stress:
        measured += [overload.taken for overload in outcome.stress[choice].overloads]
    measured.sort(key=lambda taken: taken.offered)
    figure = figure_of(f"offered load, {about.unit}", "requests/s")
    offered = [taken.offered for taken in measured]
    good = [taken.goodput(about.slo) for taken in measured]  # also those that came after the load's end
    answered = [max(taken.answered, within) for taken, within in zip(measured, good, strict=True)]
    figure.add_scatter(x=offered, y=answered, mode="markers", marker_color=GREY, name="answered")
    figure.add_scatter(
        x=offered,
        y=good,
        mode="markers",
        marker_color=BLUE,
        name="answered within the SLO (goodput)",
    )
    logarithmic(figure.update_xaxes, offered)
    return figure if measured else None


def _shown(outcome: Outcome) -> dict[Configuration, list[Any]]:
    """The raced ones, or all if none was; at most six, so that the lines can be told apart."""
    everything = trials(outcome)
    raced = [key for key in outcome.rounds if key in everything] or list(everything)
    return {key: everything[key] for key in raced[: len(LINES)]}
