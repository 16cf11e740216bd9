"""One run: screens many configurations, races the promising ones, confirms the choice, stresses it."""

from collections.abc import Mapping, Sequence

from loadtests.tuner import bottleneck
from loadtests.tuner.candidates import thumb
from loadtests.tuner.capacity import NothingValid
from loadtests.tuner.clock import OutOfTime, Stage
from loadtests.tuner.model import Configuration, Slo, Target
from loadtests.tuner.outcome import Outcome, Verdict
from loadtests.tuner.plan import Plan
from loadtests.tuner.race import Race
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
        runner = self.runner
        self.outcome = Outcome(rejected=runner.rejected, machine=runner.machine, clock=runner.clock)

    def run(self) -> Outcome:
        """Complete, with a verdict, also when nothing could be decided."""
        try:
            self.outcome.screened = self.screen()
            if any(found.rate > 0 for found in self.outcome.screened.values()):
                plan = self.runner.plan
                arms = min(len(self.outcome.screened), plan.survivors + 1)
                if self.repeat and self.runner.clock.time_for(1, plan.looks[0], arms):
                    self._repeat()
                self._decide()
            elif self.runner.short and not self.outcome.screened:
                self._conclude(Verdict.INVALID, "there was no time for a first look")
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

    def _thumb(self, found: Screened) -> list[Configuration]:
        """2n + 1 workers of each service, if that can run: it enters the rounds however slow it is."""
        usual = {name: values[0] for name, values in self.knobs.items()}
        key = thumb(self.runner.target.services, self.runner.target.limits, usual)
        if key not in found and (refusal := self.runner.feasible.refusal(key)):
            self.runner.rejected.setdefault(key, refusal)
        return [key] if key in found and found[key].rate > 0 else []

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
        stay = self._thumb(found.screened)
        running = sorted({*running, *stay}, key=lambda key: (key.total_workers, key))
        dropped = {key: why for key, why in dropped.items() if key not in stay}
        race = Race({key: found.screened[key].rate for key in running}, frozenset(stay))
        race.run(runner)
        found.rounds, found.comparison, found.compared = race.rounds, race.comparison, race.seen
        found.rejected |= {**dropped, **race.dropped}
        self.runner.rejected = found.rejected
        for key in race.good or race.likely:
            if self._holds(key):
                found.choice = key
                if len(running) == 1 and runner.short:
                    self._conclude(Verdict.INCONCLUSIVE, "there was no time to measure a rival")
                    return
                self._judge(key, shown=bool(race.good))
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
        if again is None and key not in found.rejected:
            found.rejected[key] = "there was no time to confirm it"
        if again is not None:
            found.confirmed[key] = again
        spread = found.comparison.spread if found.comparison else _USUAL_SPREAD
        if again is None:
            return False
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
