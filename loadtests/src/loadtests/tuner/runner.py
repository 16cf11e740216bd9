"""Rolls configurations out and finds their capacities, if they may be run at all."""

from collections.abc import Callable

from loadtests.tuner.capacity import Capacity, NothingValid, Search
from loadtests.tuner.clock import Clock, OutOfTime
from loadtests.tuner.feasible import Feasible
from loadtests.tuner.model import Configuration, Measurement, RollOutFailed, Slo, Target
from loadtests.tuner.pace import Pace
from loadtests.tuner.plan import Plan

Say = Callable[[str], None]


class Runner:
    """`rejected` says why a configuration was not run. `say` hears what is tried and why."""

    def __init__(self, target: Target, slo: Slo, plan: Plan, say: Say) -> None:
        self.target, self.slo, self.plan, self.say = target, slo, plan, say
        self.feasible = Feasible(target.limits)
        self.machine = Pace(target.limits)
        self.rejected: dict[Configuration, str] = {}
        self.clock = Clock(plan, slo, lambda: target.spent)
        self.short = False  # something was given up because there was no time for it
        self.left = 0  # searches for a capacity that are still to come, at most
        self._done = 0
        self._seed = plan.seed * 1_000_000
        self._current: Configuration | None = None

    def capacity(
        self,
        configuration: Configuration,
        guess: float,
        *,
        step: float,
        resolution: float,
        why: str,
        block: int | None = None,
        known: bool = True,
    ) -> Capacity | None:
        """On a fresh boot; None, and `rejected`, if that must not or cannot be. None also for lack of time.

        Raises NothingValid if nothing could be measured before, either. All searches of one `block` have the
        same schedules, so that their luck drops out of comparisons.
        """
        begun, before = self.target.spent, self._seed
        self.left -= 1
        try:
            if not self.boot(configuration, why):
                return None
        except OutOfTime:
            self._no_time(configuration)
            return None
        if block is not None:
            self._seed = self.plan.seed * 1_000_000 + 500_000 + block * 100
        try:
            search = Search(self.slo, self.plan, self.measure, self.machine.factor(configuration))
            now = self.machine.now if known else 1.0
            found = search.find(guess / now, step=step, resolution=resolution, known=known)
        except NothingValid as error:
            if not self._done:  # it will be the same for all of them
                raise
            self._reject(configuration, f"could not be measured: {error}")
            return None
        except OutOfTime:
            self._no_time(configuration)
            return None
        finally:
            self._seed = before if block is not None else self._seed
        self._done += 1
        self.clock.searched(self.target.spent - begun)
        self.say(f"{configuration.label}: {found.rate:,.1f} {self.target.unit} within the SLO")
        return found

    def boot(self, configuration: Configuration, why: str) -> bool:
        """Raises OutOfTime."""
        refusal = self.feasible.refusal(configuration)
        if refusal is None:
            self.clock.begin()
            self.say(f"{configuration.label}: {why}{self._clock()}")
            try:
                self.target.roll_out(configuration)
            except RollOutFailed as error:
                refusal = f"does not start: {error}"
        if refusal is None:
            self._current = configuration
            return True
        self._reject(configuration, refusal)
        return False

    def _no_time(self, configuration: Configuration) -> None:
        self.hurry(f"{configuration.label}: no time for it, because the rest of the run needs what is left")

    def hurry(self, why: str) -> None:
        """Something is given up for lack of time."""
        self.short = True
        self.say(why)

    def _reject(self, configuration: Configuration, why: str) -> None:
        self.rejected[configuration] = why
        self.say(f"{configuration.label}: rejected, {why}")

    def measure(self, rate: float, seconds: float) -> Measurement:
        """In the configuration that runs. Each measurement has a seed of its own. Raises OutOfTime."""
        self.clock.ask(seconds)
        self._seed += 1
        taken = self.target.measure(rate, seconds, self._seed)
        self.clock.took(seconds)
        if self._current is not None:
            self.feasible.learn(self._current, taken)
            self.machine.learn(self._current, taken)
        return taken

    def again(self, configuration: Configuration, found: Capacity) -> Capacity:
        """With what is known of the machine's pace by now."""
        return found.again(self.slo, self.machine.factor(configuration))

    def _clock(self) -> str:
        """Such as ` [3:20 gone, at most 5:10 left]`."""
        if not self._done:
            return ""
        most = min(self.left * self.clock.search, max(0.0, self.clock.left))
        left = f", at most {_minutes(most)} left" if self.left > 0 else ""
        return f" [{_minutes(self.target.spent)} gone{left}]"


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
