"""Rounds over the surviving configurations, looked at after fixed numbers of rounds only."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from loadtests.tuner.capacity import Capacity
from loadtests.tuner.model import Configuration
from loadtests.tuner.order import order
from loadtests.tuner.plan import Plan
from loadtests.tuner.runner import Runner
from loadtests.tuner.statistics import Comparison, compare

AFTER = 3  # searches that there is time for after the race: to confirm, overload and check the choice

Comparing = Comparison[Configuration]


def shortest(plan: Plan) -> int:
    """Searches that the shortest race needs: of two configurations, up to the first look at the data."""
    return 2 * plan.looks[0] + AFTER


@dataclass(slots=True)
class Race:
    """`guesses` come smallest first; so do those that are `good`: within the margin of every rival.

    `likely` are those of which that may still be true, and which lose at most twice the margin.
    """

    guesses: dict[Configuration, float]
    rounds: dict[Configuration, list[Capacity]] = field(default_factory=dict)
    comparison: Comparing | None = None
    good: list[Configuration] = field(default_factory=list)
    likely: list[Configuration] = field(default_factory=list)
    dropped: dict[Configuration, str] = field(default_factory=dict)

    def run(self, runner: Runner) -> None:
        """Until the smallest good one is known or the looks are used up. Raises NothingValid."""
        running = list(self.guesses)
        self.rounds = {key: [] for key in running}
        if len(running) == 1:
            self.good = running
            return
        looks = self._looks(runner)
        running = [key for key in running if key not in self.dropped]
        for turn in range(looks[-1]):
            runner.left = (looks[-1] - turn) * len(running) + AFTER
            for key in order(running, turn, runner.plan.seed):
                self._measure(runner, key, turn, f"round {turn + 1}, at most {looks[-1]}")
            running = [key for key in running if key not in runner.rejected]
            if not running:
                return
            error = runner.plan.error / len(looks)
            if turn + 1 in looks and self._look(runner, running, error):
                return
            running = [key for key in running if key not in self.dropped]

    def _looks(self, runner: Runner) -> Sequence[int]:
        """Those for which there is time, fixed before the first round.

        If none would fit, the slowest go, but never the smallest, which the others must prove better.
        """
        smallest, *others = self.guesses
        plan, running = runner.plan, [smallest, *sorted(others, key=lambda key: -self.guesses[key])]
        if plan.within is None:
            return plan.looks
        left = plan.within - runner.target.spent - AFTER * runner.pace
        while len(running) > 2 and left < plan.looks[0] * len(running) * runner.pace:  # noqa: PLR2004 - a race
            self.dropped[running.pop()] = "there was no time to race it"
        fitting = min(int(left / (len(running) * runner.pace)), plan.looks[-1])
        earlier = [look for look in plan.looks if look < fitting - 1]
        return [*earlier, max(fitting, plan.looks[0])]

    def _measure(self, runner: Runner, key: Configuration, turn: int, why: str) -> None:
        taken = self.rounds[key]
        guess = taken[-1].rate if taken and taken[-1].rate else self.guesses[key]
        found = runner.capacity(
            key, guess, step=runner.plan.step, resolution=runner.plan.resolution, why=why, block=turn
        )
        if found is not None:
            taken.append(found)

    def _look(self, runner: Runner, running: list[Configuration], error: float) -> bool:
        margin = runner.plan.margin
        for key in running:
            self.rounds[key] = [runner.again(key, found) for found in self.rounds[key]]
        rates = {key: [max(found.rate, 1e-3) for found in self.rounds[key]] for key in running}
        self.comparison = seen = compare(rates, error)
        self.good = [key for key in running if seen.worst[key] > 1 - margin]
        enough = (1 - margin / 2) * seen.means[seen.best]
        self.likely = [
            key for key in running if seen.means[key] >= enough and seen.worst[key] > 1 - 2 * margin
        ]
        for key in running:
            if seen.shown_worse(key, margin):
                behind = seen.means[key] / seen.means[seen.best] - 1
                self.dropped[key] = f"{behind:+.1%} against the best after {seen.rounds} rounds"
        left = [key for key in running if key not in self.dropped]
        return len(left) == 1 or (bool(self.good) and not self._open(seen, left, margin))

    def _open(self, seen: Comparing, left: list[Configuration], margin: float) -> bool:
        """True if one smaller than the smallest good one may still be shown to be good."""
        wanted = (1 - margin / 2) * seen.means[seen.best]
        smaller = left[: left.index(self.good[0])]
        return any(seen.means[key] >= wanted for key in smaller)
