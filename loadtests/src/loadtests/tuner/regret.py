"""What the rules of thumb would cost, compared with the choice in the rounds that measured both."""

import math
from dataclasses import dataclass

from loadtests.tuner import candidates
from loadtests.tuner.model import Configuration, Limits
from loadtests.tuner.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Regret:
    """What a rule of thumb costs: the share of the chosen capacity that is lost; negative if it gains.

    `low` and `high` are the 95 % interval, where both were measured in the same rounds. It holds for all
    pairs together (Tukey), so that it is no matter that the choice is one of several.
    """

    rule: str
    workers: int
    lost: float | None
    instead: str = ""  # why there is no figure
    low: float | None = None
    high: float | None = None
    rounds: int = 0  # that measured both

    @property
    def said(self) -> str:
        """Such as `15 % of the capacity lost (95 % interval 9 to 21 %, 4 rounds)`."""
        return lost(self.lost, self.instead, self.low, self.high, self.rounds)


def lost(share: float | None, instead: str, low: float | None, high: float | None, rounds: int) -> str:
    if share is None:
        return instead
    said = f"{share:.1%} of the capacity lost" if share >= 0 else f"{-share:.1%} more capacity"
    if low is None or high is None:
        return said
    bounds = f"{100 * low:.0f} to {high:.0%}" if share >= 0 else f"{-100 * high:.0f} to {-low:.0%}"
    return f"{said} (95% interval {bounds}, {rounds} rounds)"


def regrets(outcome: Outcome, limits: Limits) -> list[Regret]:
    """Of the rules 1, n, n + 1, 2n and 2n + 1, where one service was tuned; of each service, if several."""
    rates = outcome.capacities()
    known: dict[int, Configuration] = {}
    for key in rates:
        each = _each(key)
        if each is not None and (each not in known or rates[key] > rates[known[each]]):
            known[each] = key
    refused = {_each(key): why for key, why in outcome.rejected.items()}
    return [
        _regret(outcome, rule, count, known.get(count), refused.get(count, "not measured"))
        for rule, count in candidates.rules_of_thumb(limits).items()
    ]


def _regret(outcome: Outcome, rule: str, count: int, key: Configuration | None, otherwise: str) -> Regret:
    rates, choice = outcome.capacities(), outcome.choice
    if key is None or choice is None or not rates[choice]:
        return Regret(rule, count, None, otherwise)
    seen = outcome.compared.get(key)
    if key == choice or seen is None or choice not in seen.means:
        return Regret(rule, count, 1 - rates[key] / rates[choice])
    behind = math.log(seen.means[key] / seen.means[choice])
    least, most = (1 - math.exp(behind + side * seen.apart) for side in (1, -1))
    return Regret(rule, count, 1 - math.exp(behind), "", least, most, seen.rounds)


def _each(key: Configuration) -> int | None:
    """The count that all services have; None if they differ."""
    counts = {count for _, count in key.workers}
    return counts.pop() if len(counts) == 1 else None
