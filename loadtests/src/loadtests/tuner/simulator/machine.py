"""How long a simulated machine takes for a start and around a load, and when it becomes slower."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Machine:
    """From the moment `slow_after` on, everything takes `slower` times as long; the loads' own time stays."""

    starting: float = 8.0  # seconds
    around: float = 0.0  # seconds of a load beyond its own
    slower: float = 1.0
    slow_after: float = math.inf  # seconds

    def slowness(self, at: float) -> float:
        return self.slower if at >= self.slow_after else 1.0

    def start(self, at: float) -> float:
        return self.starting * self.slowness(at)

    def load(self, at: float, seconds: float) -> float:
        return seconds + self.around * self.slowness(at)


USUAL = Machine()
INSTANT = Machine(starting=0.0)
