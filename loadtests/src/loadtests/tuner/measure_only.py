"""Measures what cannot be reconfigured: its capacity and what limits it. Decides nothing."""

from loadtests.tuner import bottleneck
from loadtests.tuner.capacity import Capacity, NothingValid
from loadtests.tuner.model import AS_IT_RUNS, Configuration, Measurement
from loadtests.tuner.outcome import Outcome, Verdict
from loadtests.tuner.screening import RESOLUTION, STEP
from loadtests.tuner.session import Session
from loadtests.tuner.statistics import alone

TIMES = 6  # enough for an interval: with so many it is about the standard deviation to both sides
_RUNNING = Configuration.of({AS_IT_RUNS: 1})


class MeasureOnly(Session):
    """A first look finds the region, then the capacity is found `TIMES` times."""

    def run(self) -> Outcome:
        try:
            self._measure()
        except NothingValid as error:
            self._conclude(Verdict.INVALID, f"the measurements say nothing about the target: {error}")
        return self.outcome

    def _measure(self) -> None:
        runner, found, plan = self.runner, self.outcome, self.runner.plan
        runner.left = TIMES + 1
        first = runner.capacity(
            _RUNNING, plan.first_rate, step=STEP, resolution=RESOLUTION, why="a first look", known=False
        )
        if first is None or not first.rate:
            refused = runner.rejected.get(_RUNNING, "it does not meet the SLO at any rate")
            self._conclude(Verdict.INVALID, refused)
            return
        found.screened = {_RUNNING: first}
        taken: list[Capacity] = []
        for turn in range(TIMES):
            guess = taken[-1].rate if taken and taken[-1].rate else first.rate
            why = f"{turn + 1} of {TIMES}"
            again = runner.capacity(_RUNNING, guess, step=plan.step, resolution=plan.resolution, why=why)
            if again is not None:
                taken.append(again)
        taken = [runner.again(_RUNNING, capacity) for capacity in taken]
        rates = [capacity.rate for capacity in taken if capacity.rate]
        if len(rates) < 2:  # noqa: PLR2004 - one has no interval
            self._conclude(Verdict.INCONCLUSIVE, "it was measured too seldom for an interval")
            return
        found.rounds, found.comparison = {_RUNNING: taken}, alone(_RUNNING, rates)
        seen = max((trial for capacity in taken for trial in capacity.trials), key=lambda trial: trial.rate)
        found.bottleneck = self._bottleneck(seen.measurements[-1])
        low, high = found.comparison.low[_RUNNING], found.comparison.high[_RUNNING]
        mean = found.comparison.means[_RUNNING]
        self._conclude(
            Verdict.MEASURED,
            f"{mean:,.1f} {runner.target.unit} within the SLO (95 % interval {low:,.1f} to {high:,.1f}, "
            f"{len(rates)} times), as it runs; nothing was tried beside it",
        )

    def _bottleneck(self, taken: Measurement) -> bottleneck.Bottleneck:
        shares = taken.resources.worker_shares.get(AS_IT_RUNS, ())
        seen = Configuration.of({AS_IT_RUNS: max(1, len(shares))})
        return bottleneck.find(taken, seen, self.runner.target.limits)
