"""Two runs of the same application: what each chose, and whether that is the same."""

from typing import Any

from loadtests.tuner.compare import compared


def _run(choice: str | None, **rates: float) -> dict[str, Any]:
    rows = [
        {"configuration": key.removeprefix("n"), "requests_per_second": rate} for key, rate in rates.items()
    ]
    return {
        "evidence": "0123456789ab", "machine": {"date": "2026-11-24"}, "slo": {"latency": 0.25},
        "choice": choice, "verdict": "decided" if choice else "invalid", "capacities": rows, "margin": 0.05,
    }  # fmt: skip


def _said(now: dict[str, Any], before: dict[str, Any]) -> str:
    return " ".join(compared(now, before))


def test_the_same_choice_is_said_with_both_capacities() -> None:
    said = _said(_run("2", n1=50, n2=100), _run("2", n2=104, n3=90))
    assert "chose 2: so does this one" in said
    assert "2 104 then, 100 now" in said


def test_another_choice_is_equivalent_if_it_reaches_nearly_the_same_here() -> None:
    before = _run("3", n3=100)
    assert "equivalent here; this one chose 2" in _said(_run("2", n2=100, n3=97), before)
    assert "20% less capacity here" in _said(_run("2", n2=100, n3=80), before)
    assert "did not measure that" in _said(_run("2", n2=100), before)


def test_what_cannot_be_compared_is_said() -> None:
    assert "another SLO" in _said(_run("2", n2=1), {**_run("2", n2=1), "slo": {"latency": 0.1}})
    chain = {**_run("2", n2=1), "workers": {"users": 1, "items": 1}}
    assert "tuned items and users, so that it cannot be compared" in _said(_run("2", n2=1), chain)
    assert "was invalid, this one is decided" in _said(_run("2", n2=1), _run(None))
