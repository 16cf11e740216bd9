"""The page around the plots."""

from collections.abc import Sequence
from html import escape

from plotly.offline import get_plotlyjs

from loadtests.tuner.outcome import Outcome, Verdict
from loadtests.tuner.regret import regrets
from loadtests.tuner.report.figures import all_figures
from loadtests.tuner.report.style import named
from loadtests.tuner.summary import About, interval

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1c1f23 }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { margin-bottom: 0 }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #ddd }
.verdict { font-size: 1.25rem; padding: .75rem 1rem; border-left: 6px solid #2e8540; background: #f3f8f4 }
.verdict.open { border-color: #d9730d; background: #fdf6ee }
table { border-collapse: collapse; width: 100% }
td, th { padding: .3rem .7rem; text-align: left; vertical-align: top; font-variant-numeric: tabular-nums }
tr + tr { border-top: 1px solid #eee }
pre { background: #f5f6f7; padding: .75rem 1rem; white-space: pre-wrap; overflow-wrap: anywhere }
.note { color: #b42318 }
"""
_CONFIG = {"displaylogo": False, "displayModeBar": False, "responsive": True}
_OPEN = {Verdict.INCONCLUSIVE, Verdict.INVALID}

Row = tuple[str, ...]


def page(outcome: Outcome, about: About) -> str:
    """Everything inline: styles, plotly's script and the data."""
    plots = "".join(
        f"<h2>{escape(heading)}</h2>{figure.to_html(full_html=False, include_plotlyjs=False, config=_CONFIG)}"
        for heading, figure in all_figures(outcome, about).items()
    )
    measured = outcome.verdict is Verdict.MEASURED
    title = f"{'Capacity' if measured else 'Workers'} of {about.name}"
    thumb = "" if measured else _regrets(outcome, about)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style><script>{get_plotlyjs()}</script></head><body>"
        f"<h1>{escape(title)}</h1>{_head(outcome, about)}{_capacities(outcome, about)}"
        f"{thumb}{plots}{_stress(outcome)}{_rejected(outcome)}"
        f"<h2>Repeat it</h2><pre>{escape(about.command)}</pre></body></html>"
    )


def _head(outcome: Outcome, about: About) -> str:
    slo = about.slo
    chosen = f"{named(outcome.choice)}: " if outcome.choice else ""
    mood = "verdict open" if outcome.verdict in _OPEN else "verdict"
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in about.notes)
    limit = f"<p>What limits it: {escape(outcome.bottleneck.because)}.</p>" if outcome.bottleneck else ""
    noise = ""
    if outcome.comparison:
        noise = f" One configuration measured twice differs by {outcome.comparison.spread:.1%} (deviation)."
    return (
        f'<p class="{mood}"><strong>{escape(chosen)}{outcome.verdict.value}</strong>'
        f"<br>{escape(outcome.why)}.</p>{_claim(outcome, about)}{notes}{limit}"
        f"<p>SLO: {slo.percentile:g} % of the requests within {slo.latency * 1000:g} ms, at most "
        f"{slo.errors:.1%} errors. {escape(about.loop)}{noise} "
        f"Evidence {escape(about.evidence)}.</p>"
        + (f"<p>{escape(' '.join(about.facts))}</p>" if about.facts else "")
    )


def _claim(outcome: Outcome, about: About) -> str:
    """What it holds with confidence; the middle of the interval only as an estimate."""
    if outcome.choice is None or outcome.claim is None:
        return ""
    bounds = interval(outcome, outcome.choice)
    what = "the lowest that was measured"
    if bounds:
        wide = outcome.claim > bounds[0]
        what = "more than the lower end of a wide interval" if wide else "the lower end of the 95 % interval"
    estimate = outcome.capacities()[outcome.choice]
    return (
        f"<p>Claimed capacity: <strong>{outcome.claim:,.1f} {escape(about.unit)}</strong>, {what}; "
        f"the best estimate is {estimate:,.1f}.</p>"
    )


def _capacities(outcome: Outcome, about: About) -> str:
    rows: list[Row] = []
    for key, rate in outcome.capacities().items():
        bounds = interval(outcome, key)
        shown = f"{bounds[0]:,.1f} to {bounds[1]:,.1f}" if bounds else "first look only"
        rows.append((key.label, f"{rate:,.1f}", shown, str(len(outcome.rounds.get(key, [])))))
    return _table(("workers", f"{about.unit} at the SLO", "95 % interval", "rounds"), rows)


def _regrets(outcome: Outcome, about: About) -> str:
    rows = [(r.rule, str(r.workers), r.said) for r in regrets(outcome, about.limits)]
    heading = f"<h2>What the rules of thumb would cost (n = {about.limits.cpus:g} CPUs)</h2>"
    several = outcome.choice is not None and len(outcome.choice.workers) > 1
    return heading + _table(
        ("rule", "workers of each service" if several else "workers", "against the choice"), rows
    )


def _stress(outcome: Outcome) -> str:
    rows = [
        (key.label, f"{o.fold:g} ×", f"{o.answered:.0%}", f"{o.goodput:.0%}", seen.collapse or "holds")
        for key, seen in outcome.stress.items()
        for o in seen.overloads
    ]
    head = ("workers", "offered load", "answered, of the capacity", "within the SLO", "verdict")
    return f"<h2>Under overload</h2>{_table(head, rows)}" if rows else ""


def _rejected(outcome: Outcome) -> str:
    rows = [
        (key.label, why)
        for key, why in sorted(outcome.rejected.items(), key=lambda item: item[0].total_workers)
    ]
    return f"<h2>Rejected</h2>{_table(('workers', 'why'), rows)}" if rows else ""


def _table(head: Row, rows: Sequence[Row]) -> str:
    def line(cells: Row, tag: str) -> str:
        return "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells)

    body = "".join(f"<tr>{line(row, 'td')}</tr>" for row in rows)
    return f"<table><tr>{line(head, 'th')}</tr>{body}</table>"
