"""One run: screens many configurations, races the promising ones, confirms the choice, stresses it."""

from collections.abc import Mapping, Sequence

from loadtests.tuner.capacity import NothingValid
from loadtests.tuner.clock import OutOfTime, Stage
from loadtests.tuner.model import Configuration, Slo, Target
from loadtests.tuner.notes import unmet
from loadtests.tuner.outcome import Outcome, Verdict
from loadtests.tuner.plan import Plan
from loadtests.tuner.race import Race
from loadtests.tuner.runner import Runner, Say
from loadtests.tuner.screening import (
    RESOLUTION,
    STEP,
    Entrants,
    Screened,
    entrants,
    rivals,
    screen,
)
from loadtests.tuner.stress import stress
from loadtests.tuner.verdicts import judge

Knobs = Mapping[str, Sequence[str]]

_NO_LOOK = "there was no time for a first look: a load lasts {:.0f} s with this SLO, so give more --minutes"
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
        runner = self.runner
        self.outcome = Outcome(rejected=runner.rejected, machine=runner.machine, clock=runner.clock)

    def run(self) -> Outcome:
        """Complete, with a verdict, also when nothing could be decided."""
        try:
            self.outcome.screened = self.screen()
            if any(found.rate > 0 for found in self.outcome.screened.values()):
                arms = len(self._entrants().running)
                if self.repeat and self.runner.clock.time_for(1, self.runner.plan.looks[0], arms):
                    self._repeat()
                self._decide()
            elif self.runner.short and not self.outcome.screened:
                self._conclude(Verdict.INVALID, _NO_LOOK.format(self.runner.plan.lasting(self.runner.slo)))
            elif not self.outcome.screened and self.runner.rejected:
                first = min(self.runner.rejected, key=lambda key: key.total_workers)
                why = self.runner.rejected[first]
                self._conclude(Verdict.INVALID, f"nothing could be measured; {first.label}: {why}")
            else:
                how = unmet(self.outcome, self.runner.slo) if self.outcome.screened else "none was measured"
                self._conclude(Verdict.INVALID, f"no configuration meets the SLO at any rate; {how}")
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

    def _most(self) -> int:
        return rivals(self.runner, self.runner.target.services[0])

    def _entrants(self) -> Entrants:
        usual = {name: values[0] for name, values in self.knobs.items()}
        screened, noise = self.outcome.screened, self.outcome.noise_floor or 0.0
        return entrants(self.runner, screened, usual, self._most(), noise)

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
        entering = self._entrants()
        running = entering.running
        race = Race({key: found.screened[key].rate for key in running}, entering.stay)
        race.run(runner)
        found.rounds, found.comparison, found.compared = race.rounds, race.comparison, race.seen
        found.rejected |= {**entering.dropped, **race.dropped}
        self.runner.rejected = found.rejected
        for key in race.good or race.likely:
            if self._holds(key):
                found.choice = key
                if len(running) == 1 and runner.short:
                    self._conclude(Verdict.INCONCLUSIVE, "there was no time to measure a rival")
                    return
                self._conclude(*judge(found, runner.target.limits, runner.plan.margin, shown=bool(race.good)))
                return
        means = found.capacities()
        standing = [key for key in running if key not in found.rejected] or running
        standing = [key for key in standing if key not in found.stress or not found.stress[key].collapse]
        found.choice = max(standing, key=lambda key: means[key], default=None)
        rounds = race.comparison.rounds if race.comparison else 0
        why = f"after {rounds} rounds none is shown to be within {runner.plan.margin:.0%} of the best"
        if race.good or race.likely:
            why = "what was good enough did not hold"
        if found.choice in found.rejected:
            why += f": {found.rejected[found.choice]}"
        self._conclude(Verdict.INCONCLUSIVE, why)

    def _holds(self, key: Configuration) -> bool:
        """A fresh boot confirms the capacity, and overload does not break it."""
        runner, found = self.runner, self.outcome
        expected = found.capacities()[key]
        runner.clock.stage = Stage.CONFIRMING
        again = runner.capacity(
            key,
            expected,
            step=runner.plan.step,
            resolution=runner.plan.resolution,
            why="a fresh boot to confirm it",
        )
        if again is None:
            found.rejected.setdefault(key, "there was no time to confirm it")
            return False
        found.confirmed[key] = again
        spread = found.comparison.spread if found.comparison else _USUAL_SPREAD
        if again.rate < expected * (1 - runner.plan.margin - 3 * spread):
            found.rejected[key] = "a fresh boot did not confirm its capacity"
            return False
        answered = again.at_limit.answered if runner.target.unit == "users" else None
        runner.clock.stage = Stage.OVERLOADING
        try:
            seen = stress(runner.measure, expected, runner.slo, runner.plan.shortest, answered)
        except OutOfTime:
            found.rejected[key] = "there was no time to overload it"
            return False
        found.stress[key] = seen
        if seen.collapse:
            found.rejected[key] = f"collapses: {seen.collapse}"
        return seen.collapse is None

    def _conclude(self, verdict: Verdict, why: str) -> None:
        self.outcome.verdict, self.outcome.why = verdict, why
        self.runner.say(f"{verdict.value}: {why}")
