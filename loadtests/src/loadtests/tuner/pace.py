"""The machine's pace: what a rate would have been, had the machine been as fast as it usually is.

A yardstick runs beside every load (`measuring/yardstick.py`). How much the application's CPU time for a
request grows with the yardstick's is learned from the run's own measurements, within each configuration.
A rate is then corrected by that, as far as the application uses its CPUs: waiting does not take longer.
"""

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

from loadtests.tuner.model import Configuration, Limits, Measurement

Factor = Callable[[Measurement], float]
_BUSY = 0.4  # of the CPUs; below it the cost of a request is mostly not that of requests
_ANSWERED = 0.9  # of the offered rate; above it an overload's refusals do not blur the cost
_PRIOR = 0.02  # the exponent is 1 until the measurements say more than this variation
_HIGHEST = 4.0


def as_measured(_: Measurement) -> float:
    """The factor where nothing is known of the machine."""
    return 1.0


@dataclass(slots=True)
class Pace:
    limits: Limits
    _points: dict[Configuration, list[tuple[float, float]]] = field(default_factory=dict)
    _seen: list[float] = field(default_factory=list)

    def learn(self, configuration: Configuration, taken: Measurement) -> None:
        length, used = taken.resources.yardstick, taken.resources.app_cpus
        if not length or not taken.valid:
            return
        self._seen.append(length)
        if used and self._use(configuration, taken) > _BUSY and taken.kept > _ANSWERED:
            point = (math.log(length), math.log(used / taken.answered))
            self._points.setdefault(configuration, []).append(point)

    @property
    def usual(self) -> float:
        """The yardstick's median; 1 if there is none."""
        return statistics.median(self._seen) if self._seen else 1.0

    @property
    def swing(self) -> float | None:
        """By how much the yardstick's slowest tenth is slower than the fastest, as a share."""
        if len(self._seen) < 10:  # noqa: PLR2004 - tenths
            return None
        tenths = statistics.quantiles(self._seen, n=10)
        return tenths[-1] / tenths[0] - 1

    @property
    def exponent(self) -> float:
        """By how much the cost of a request grows with the yardstick, both as logarithms."""
        across, both = _PRIOR, _PRIOR
        for points in self._points.values():
            lengths, costs = [x for x, _ in points], [y for _, y in points]
            middle, level = statistics.fmean(lengths), statistics.fmean(costs)
            across += sum((x - middle) ** 2 for x in lengths)
            both += sum((x - middle) * (y - level) for x, y in points)
        return min(_HIGHEST, max(0.0, both / across))

    @property
    def now(self) -> float:
        """The factor of the last measurement, had it used all CPUs."""
        return self.of(self._seen[-1]) if self._seen else 1.0

    def factor(self, configuration: Configuration) -> Factor:
        """As far as it is known now. Rate × factor is the rate at the usual pace."""
        if not self._seen:
            return as_measured
        usual, exponent = self.usual, self.exponent

        def of(taken: Measurement) -> float:
            length = taken.resources.yardstick
            use = self._use(configuration, taken)
            return float((length / usual) ** (exponent * use)) if length else 1.0

        return of

    def of(self, length: float | None, use: float = 1.0) -> float:
        """The factor for a yardstick of this length; `use` is the share of the CPUs in use."""
        return float((length / self.usual) ** (self.exponent * use)) if length else 1.0

    def _use(self, configuration: Configuration, taken: Measurement) -> float:
        """The share of the CPUs that application and database used; at most one CPU for each worker."""
        used = (taken.resources.app_cpus or 0.0) + (taken.resources.database_cpus or 0.0)
        return min(1.0, used / min(self.limits.cpus, configuration.total_workers))
