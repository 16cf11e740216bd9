"""What a run found, as JSON: for people's own statistics, and for later runs to compare with."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from loadtests.tuner.model import Configuration, Limits, Slo
from loadtests.tuner.outcome import Outcome
from loadtests.tuner.regret import regrets
from loadtests.tuner.trial import Trial

OPEN_LOOP = "Open loop: latency counts from the intended start."


@dataclass(frozen=True, slots=True)
class About:
    """What was tuned, and how to do it again."""

    name: str
    slo: Slo
    limits: Limits
    evidence: str
    command: str
    notes: tuple[str, ...] = ()  # warnings, such as: the generator shared cores with the target
    facts: tuple[str, ...] = ()  # about the machine and the generator
    machine: Mapping[str, Any] = field(default_factory=dict)  # its CPU, and when
    margin: float = 0.05  # within it of the best is as good as the best
    unit: str = "requests/s"  # of the capacities
    loop: str = OPEN_LOOP
    confirmed: bool | None = None  # the claim, by the second generator; None if it was not asked


def trials(outcome: Outcome) -> Mapping[Configuration, list[Trial]]:
    """Every trial of every configuration, in the order of the rates."""
    everything = {key: [capacity, *outcome.rounds.get(key, [])] for key, capacity in outcome.screened.items()}
    return {
        key: sorted((trial for capacity in found for trial in capacity.trials), key=lambda trial: trial.rate)
        for key, found in everything.items()
    }


def interval(outcome: Outcome, key: Configuration) -> tuple[float, float] | None:
    """95 %, where rounds were run."""
    seen = outcome.compared.get(key) or outcome.comparison
    return (seen.low[key], seen.high[key]) if seen and key in seen.means else None


def summary(outcome: Outcome, about: About) -> dict[str, Any]:
    choice = outcome.choice
    return {
        **asdict(about),
        "verdict": outcome.verdict.value,
        "why": outcome.why,
        "choice": choice.label if choice else None,
        "workers": dict(choice.workers) if choice else None,
        "knobs": dict(choice.knobs) if choice else None,
        "claim": outcome.claim,
        "bottleneck": asdict(outcome.bottleneck) if outcome.bottleneck else None,
        "noise": outcome.comparison.spread if outcome.comparison else None,
        "capacities": [
            {
                "configuration": key.label,
                "requests_per_second": rate,
                "interval": interval(outcome, key),
                "rounds": [found.rate for found in outcome.rounds.get(key, [])],
            }
            for key, rate in outcome.capacities().items()
        ],
        "regret": [asdict(regret) for regret in regrets(outcome, about.limits)],
        "rejected": {key.label: why for key, why in outcome.rejected.items()},
        "stress": {
            key.label: {
                "collapse": seen.collapse,
                "overloads": [
                    {"fold": o.fold, "answered": o.answered, "goodput": o.goodput} for o in seen.overloads
                ],
            }
            for key, seen in outcome.stress.items()
        },
    }
