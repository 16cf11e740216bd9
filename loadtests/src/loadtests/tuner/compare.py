"""Compares a run with an earlier one of the same application."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Summary = Mapping[str, Any]


def compared(now: Summary, before: Summary) -> Iterator[str]:
    """What each of the two chose, and what the other measured there."""
    which = f"An earlier run (evidence {before['evidence']}, {before['machine'].get('date', 'no date')})"
    for what, same in (("SLO", before["slo"] == now["slo"]), ("kind of load", _unit(before) == _unit(now))):
        if not same:
            yield f"{which} had another {what}, so that its capacities cannot be compared."
            return
    then = before["choice"]
    if then is None or now["choice"] is None:
        yield f"{which} was {before['verdict']}, this one is {now['verdict']}."
        return
    if _services(before) != _services(now):
        yield f"{which} tuned {' and '.join(_services(before))}, so that it cannot be compared."
        return
    rates, earlier = _rates(now), _rates(before)
    both = [f"{key} {earlier[key]:,.0f} then, {rates[key]:,.0f} now" for key in rates if key in earlier]
    listed = "; ".join(both) or "none in common"
    yield f"{which} chose {then}: {_agreement(now, then, rates)}. {_unit(now).capitalize()}: {listed}."


def _services(found: Summary) -> Sequence[str]:
    return sorted(found.get("workers") or ["app"])


def _unit(found: Summary) -> str:
    """Summaries of earlier versions do not say it."""
    return str(found.get("unit", "requests/s"))


def _agreement(now: Summary, then: str, rates: Mapping[str, float]) -> str:
    if then == now["choice"]:
        return "so does this one"
    if then not in rates:
        return f"this one chose {now['choice']} and did not measure that"
    lost = 1 - rates[then] / rates[now["choice"]]
    same = "which is equivalent here" if lost <= now["margin"] else f"which has {lost:.0%} less capacity here"
    return f"{same}; this one chose {now['choice']}"


def _rates(found: Summary) -> dict[str, float]:
    return {row["configuration"]: row["requests_per_second"] for row in found["capacities"]}
