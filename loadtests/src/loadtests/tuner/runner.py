"""Rolls configurations out and finds their capacities, if they may be run at all."""

from collections.abc import Callable

from loadtests.tuner.capacity import Capacity, Search
from loadtests.tuner.feasible import Feasible
from loadtests.tuner.model import Configuration, Measurement, RollOutFailed, Slo, Target
from loadtests.tuner.plan import Plan

Say = Callable[[str], None]


class Runner:
    """`rejected` says why a configuration was not run. `say` hears what is tried and why."""

    def __init__(self, target: Target, slo: Slo, plan: Plan, say: Say) -> None:
        self.target, self.slo, self.plan, self.say = target, slo, plan, say
        self.feasible = Feasible(target.limits)
        self.rejected: dict[Configuration, str] = {}
        self._search = Search(slo, plan, self.measure)
        self._seed = plan.seed * 1_000_000
        self._current: Configuration | None = None

    def capacity(
        self, configuration: Configuration, guess: float, *, step: float, resolution: float, why: str
    ) -> Capacity | None:
        """On a fresh boot; None, and `rejected`, if that must not or cannot be. Raises NothingValid."""
        if not self.boot(configuration, why):
            return None
        found = self._search.find(guess, step=step, resolution=resolution)
        self.say(f"{configuration.label}: {found.rate:,.1f} requests/s within the SLO")
        return found

    def boot(self, configuration: Configuration, why: str) -> bool:
        refusal = self.feasible.refusal(configuration)
        if refusal is None:
            self.say(f"{configuration.label}: {why}")
            try:
                self.target.roll_out(configuration)
            except RollOutFailed as error:
                refusal = f"does not start: {error}"
        if refusal is None:
            self._current = configuration
            return True
        self.rejected[configuration] = refusal
        self.say(f"{configuration.label}: rejected, {refusal}")
        return False

    def measure(self, rate: float, seconds: float) -> Measurement:
        """In the configuration that runs. Each measurement has a seed of its own."""
        self._seed += 1
        taken = self.target.measure(rate, seconds, self._seed)
        if self._current is not None:
            self.feasible.learn(self._current, taken)
        return taken
