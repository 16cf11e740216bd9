"""Rounds over the surviving configurations, looked at after fixed numbers of rounds only."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from loadtests.tuner.capacity import Capacity
from loadtests.tuner.clock import Stage, least
from loadtests.tuner.model import Configuration
from loadtests.tuner.order import order
from loadtests.tuner.runner import Runner
from loadtests.tuner.statistics import Comparison, compare

AFTER = 3  # searches, about, that follow the race: to confirm, overload and check the choice

Comparing = Comparison[Configuration]


@dataclass(slots=True)
class Race:
    """`guesses` come smallest first; so do those that are `good`: within the margin of every rival.

    `likely` are those of which that may still be true, and which lose at most twice the margin. Those that
    `stay` are not given up for lack of time. `seen` has the last comparison that each took part in.
    """

    guesses: dict[Configuration, float]
    stay: frozenset[Configuration] = frozenset()
    rounds: dict[Configuration, list[Capacity]] = field(default_factory=dict)
    comparison: Comparing | None = None
    seen: dict[Configuration, Comparing] = field(default_factory=dict)
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
        runner.clock.stage = Stage.ROUNDS
        looks = self._looks(runner)
        running = [key for key in running if key not in self.dropped]
        if not looks:
            return
        error = runner.plan.error / len(looks)
        for turn in range(looks[-1]):
            runner.left = (looks[-1] - turn) * len(running) + AFTER
            whole = self._round(runner, running, turn, looks[-1])
            running = [key for key in running if key not in runner.rejected]
            if not running:
                return
            if not whole or turn + 1 in looks:
                enough = self._look(runner, running, error)
                if enough or not whole:
                    return
            running = [key for key in running if key not in self.dropped]

    def _looks(self, runner: Runner) -> Sequence[int]:
        """Those for which there is time, fixed before the first round; none if two rounds do not fit.

        If there is little time, the slowest go, but never the smallest, which the others must prove better,
        nor one that is to stay.
        """
        plan, arms = runner.plan, list(self.guesses)
        if plan.within is None:
            return plan.looks
        for count, rounds in least(arms, plan.looks[0]):
            if runner.clock.rounds(count) >= rounds:
                break
        else:
            return ()
        others = sorted(arms[1:], key=lambda key: (key not in self.stay, -self.guesses[key]))
        for key in others[count - 1 :]:
            self.dropped[key] = "there was no time to race it"
        fitting = min(runner.clock.rounds(count), plan.looks[-1])
        return [*(look for look in plan.looks if look < fitting - 1), fitting]

    def _round(self, runner: Runner, running: list[Configuration], turn: int, most: int) -> bool:
        """False if there is no time for all of it."""
        if runner.plan.within is not None and not runner.clock.rounds(len(running)):
            return False
        for key in order(running, turn, runner.plan.seed):
            if not self._measure(runner, key, turn, f"round {turn + 1}, at most {most}"):
                return False
        return True

    def _measure(self, runner: Runner, key: Configuration, turn: int, why: str) -> bool:
        """False if there is no time for it."""
        taken = self.rounds[key]
        guess = taken[-1].rate if taken and taken[-1].rate else self.guesses[key]
        found = runner.capacity(
            key, guess, step=runner.plan.step, resolution=runner.plan.resolution, why=why, block=turn
        )
        if found is not None:
            taken.append(found)
        return found is not None or key in runner.rejected

    def _look(self, runner: Runner, running: list[Configuration], error: float) -> bool:
        """Of the rounds that are whole. True if that is enough."""
        margin, rounds = runner.plan.margin, min(len(self.rounds[key]) for key in running)
        if rounds < 2:  # noqa: PLR2004 - one round has no spread
            return True
        for key in running:
            self.rounds[key] = [runner.again(key, found) for found in self.rounds[key][:rounds]]
        rates = {key: [max(found.rate, 1e-3) for found in self.rounds[key]] for key in running}
        self.comparison = seen = compare(rates, error)
        self.seen |= dict.fromkeys(running, seen)
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
