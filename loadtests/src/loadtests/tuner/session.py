"""One run: screens many configurations, races the promising ones, confirms the choice, stresses it."""

from collections.abc import Mapping, Sequence

from loadtests.tuner import bottleneck
from loadtests.tuner.capacity import NothingValid
from loadtests.tuner.model import Configuration, Slo, Target
from loadtests.tuner.outcome import Outcome, Verdict
from loadtests.tuner.plan import Plan
from loadtests.tuner.race import Race, shortest
from loadtests.tuner.runner import Runner, Say
from loadtests.tuner.screening import RESOLUTION, STEP, Screened, screen, some_behind, survivors
from loadtests.tuner.stress import stress

Knobs = Mapping[str, Sequence[str]]

_USUAL_SPREAD = 0.03  # where nothing was raced


def _silent(_: str) -> None:
    pass


class Session:
    """Tunes the workers of one service. `say` hears what is tried and why.

    `repeat` starts the smallest configuration twice and records how far the two results are apart.

    `knobs` are further settings with their values. Worker counts are screened with the first value of each;
    the other values are then tried on the best count, and meet it in the rounds if they come close.
    """

    def __init__(
        self,
        target: Target,
        slo: Slo,
        plan: Plan,
        say: Say = _silent,
        knobs: Knobs | None = None,
        *,
        repeat: bool = False,
    ) -> None:
        self.knobs, self.repeat = knobs or {}, repeat
        self.runner = Runner(target, slo, plan, say)
        self.outcome = Outcome(rejected=self.runner.rejected, machine=self.runner.machine)

    def run(self) -> Outcome:
        """Complete, with a verdict, also when nothing could be decided."""
        try:
            self.outcome.screened = self.screen()
            if any(found.rate > 0 for found in self.outcome.screened.values()):
                if self.repeat and self.runner.has_time_for(shortest(self.runner.plan) + 1):
                    self._repeat()
                self._decide()
            else:
                self._conclude(Verdict.INVALID, "no configuration meets the SLO at any rate")
        except NothingValid as error:
            self._conclude(Verdict.INVALID, f"the measurements say nothing about the target: {error}")
        return self.outcome

    def screen(self) -> Screened:
        usual = {name: values[0] for name, values in self.knobs.items()}
        found = screen(self.runner, self.runner.target.services[0], usual)
        if found:
            self._turn(found, usual)
        return found

    def _turn(self, found: Screened, usual: Mapping[str, str]) -> None:
        """Each other value of each knob, on the best count."""
        best = max(found, key=lambda key: found[key].rate)
        for name, values in self.knobs.items():
            for value in values[1:]:
                other = Configuration.of(dict(best.workers), **{**usual, name: value})
                capacity = self.runner.capacity(
                    other, found[best].rate, step=STEP, resolution=RESOLUTION, why=f"another {name}"
                )
                if capacity is not None:
                    found[other] = capacity

    def _repeat(self) -> None:
        """A/A: the same configuration once more, which tells how much of a difference is noise."""
        found, runner = self.outcome, self.runner
        smallest = min(found.screened, key=lambda key: key.total_workers)
        first = found.screened[smallest].rate
        if first <= 0:
            return
        why = "once more, to see the noise"
        again = runner.capacity(smallest, first, step=STEP, resolution=RESOLUTION, why=why)
        if again is not None and again.rate > 0:
            found.repeated = (first, again.rate)
            runner.say(f"{smallest.label}: the two results differ by {found.noise_floor:.1%}")

    def _decide(self) -> None:
        found, runner = self.outcome, self.runner
        found.screened = {key: runner.again(key, capacity) for key, capacity in found.screened.items()}
        running, dropped = survivors(found.screened, runner.plan.survivors, found.noise_floor or 0.0)
        race = Race({key: found.screened[key].rate for key in running})
        race.run(runner)
        found.rounds, found.comparison = race.rounds, race.comparison
        found.rejected |= {**dropped, **race.dropped}
        self.runner.rejected = found.rejected
        for key in race.good or race.likely:
            if self._holds(key):
                found.choice = key
                self._judge(key, shown=bool(race.good))
                return
        means = found.capacities()
        standing = [key for key in running if key not in found.rejected] or running
        standing = [key for key in standing if key not in found.stress or not found.stress[key].collapse]
        found.choice = max(standing, key=lambda key: means[key], default=None)
        plan = runner.plan
        why = f"after {plan.rounds} rounds none is shown to be within {plan.margin:.0%} of the best"
        if race.good or race.likely:
            why = "what was good enough did not hold"
        self._conclude(Verdict.INCONCLUSIVE, why)

    def _holds(self, key: Configuration) -> bool:
        """A fresh boot confirms the capacity, and overload does not break it."""
        runner, found = self.runner, self.outcome
        expected = found.capacities()[key]
        again = runner.capacity(
            key,
            expected,
            step=runner.plan.step,
            resolution=runner.plan.resolution,
            why="a fresh boot to confirm it",
        )
        if again is not None:
            found.confirmed[key] = again
        spread = found.comparison.spread if found.comparison else _USUAL_SPREAD
        if again is None or again.rate < expected * (1 - runner.plan.margin - 3 * spread):
            found.rejected[key] = "a fresh boot did not confirm its capacity"
            return False
        answered = again.at_limit.answered if runner.target.unit == "users" else None
        found.stress[key] = seen = stress(
            runner.measure, expected, runner.slo, runner.plan.shortest, answered
        )
        if seen.collapse:
            found.rejected[key] = f"collapses: {seen.collapse}"
        return seen.collapse is None

    def _judge(self, choice: Configuration, *, shown: bool) -> None:
        """`shown`: it is shown to be within the margin of every rival."""
        found, limits = self.outcome, self.runner.target.limits
        saturated = found.stress[choice].overloads[0].taken  # at its capacity it still has time to spare
        found.bottleneck = limit = bottleneck.find(saturated, choice, limits)
        least = found.comparison.worst[choice] if found.comparison and not shown else None
        lost = f"; at most {1 - least:.0%} may be lost" if least is not None else ""
        if len(found.screened) > 1 and self._smallest(choice) and not self._anything_worse():
            if limit.kind in {"unknown", "workers' CPU"}:
                self._conclude(
                    Verdict.NO_DIFFERENCE, f"more workers change nothing that could be shown{lost}"
                )
            else:
                self._conclude(Verdict.NOT_WORKERS, f"more workers change nothing{lost}; {limit.because}")
        elif lost:
            why = f"the fewest workers of which none is shown to be better{lost}"
            self._conclude(Verdict.NO_DIFFERENCE, why)
        else:
            self._conclude(
                Verdict.DECIDED,
                f"the fewest workers shown to be within {self.runner.plan.margin:.0%} of every rival",
            )

    def _smallest(self, choice: Configuration) -> bool:
        return choice.total_workers == min(key.total_workers for key in self.outcome.screened)

    def _anything_worse(self) -> bool:
        """True if some configuration that was measured is shown, or was seen, to be worse."""
        seen = self.outcome.comparison
        raced: Sequence[Configuration] = list(seen.means) if seen else []
        behind = some_behind(self.outcome.screened, self.outcome.noise_floor or 0.0)
        return behind or (seen is not None and any(map(seen.shown_worse, raced)))

    def _conclude(self, verdict: Verdict, why: str) -> None:
        self.outcome.verdict, self.outcome.why = verdict, why
        self.runner.say(f"{verdict.value}: {why}")
