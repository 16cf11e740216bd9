"""Plots of what each worker got and of what all take."""

import plotly.graph_objects as go

from loadtests.tuner.outcome import Outcome
from loadtests.tuner.report.style import BLUE, LINES, figure_of, limit_line, whole
from loadtests.tuner.summary import About, trials


def shares(outcome: Outcome) -> go.Figure | None:
    taken = trials(outcome).get(outcome.choice, []) if outcome.choice else []
    by_service = taken[-1].measurements[-1].resources.worker_shares if taken else {}
    figure = figure_of("worker, busiest first", "share of the requests, %", rangemode="tozero")
    for index, (service, listed) in enumerate(by_service.items()):
        ranked = sorted(listed, reverse=True)
        figure.add_bar(
            x=list(range(1, len(ranked) + 1)),
            y=[100 * share for share in ranked],
            marker_color=LINES[index % len(LINES)],
            name=service,
            showlegend=True,
        )
    if len(by_service) == 1:
        workers = max(map(len, by_service.values()))
        limit_line(figure, 0.5, workers + 0.5, 100 / workers, "equal share")
    whole(figure, max(map(len, by_service.values()), default=1))
    return figure if by_service else None


def memory(outcome: Outcome, about: About) -> go.Figure | None:
    most: dict[int, int] = {}
    for key, taken in trials(outcome).items():
        for trial in taken:
            for measured in trial.measurements:
                pss = measured.resources.pss or 0
                most[key.total_workers] = max(most.get(key.total_workers, 0), pss)
    seen = {count: pss for count, pss in sorted(most.items()) if pss}
    figure = figure_of("workers", "memory (PSS), MiB", rangemode="tozero")
    whole(figure, max(seen, default=1))
    figure.add_scatter(
        x=list(seen), y=[pss / 1024**2 for pss in seen.values()], mode="lines+markers", line_color=BLUE,
        name="most seen", showlegend=True,
    )  # fmt: skip
    if about.limits.memory and seen:
        limit_line(figure, min(seen), max(seen), about.limits.memory / 1024**2, "limit")
    return figure if seen else None
