"""The highest rate at which one configuration meets the SLO, by bisection that stops early."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loadtests.tuner.evidence import Shown, shown
from loadtests.tuner.model import Measurement, Slo
from loadtests.tuner.pace import Factor, as_measured
from loadtests.tuner.plan import Plan
from loadtests.tuner.trial import Trial, failures, judge

Measure = Callable[[float, float], Measurement]  # rate, seconds
LOWEST_RATE = 0.2  # requests per second; what cannot do this has no capacity
_TRIES = 6  # of a measurement that something disturbed
_LOWERED, _LESS = 3, 1.5  # how often a guess is lowered, and to which part of it
_HALVINGS = 12  # of the bracket at most
_FAST = 4.0  # from rate to rate, where nothing is known


class NothingValid(Exception):
    """Measurements were invalid again and again; says why. `unsent`: nothing was even sent."""

    def __init__(self, why: str, *, unsent: bool = False) -> None:
        super().__init__(why)
        self.unsent = unsent


@dataclass(frozen=True, slots=True)
class Capacity:
    """`rate` is between the highest trial that met the SLO and the lowest that missed it."""

    rate: float
    trials: tuple[Trial, ...]

    @property
    def at_limit(self) -> Measurement:
        """The measurement closest to the capacity that met the SLO, or the lowest one."""
        met = [trial for trial in self.trials if trial.met]
        trial = max(met, key=lambda t: t.rate) if met else min(self.trials, key=lambda t: t.rate)
        return trial.measurements[-1]

    def again(self, slo: Slo, factor: Factor) -> "Capacity":
        """The same measurements, with what is known of the machine's pace by now."""
        return estimated([judge(trial.measurements, slo, factor) for trial in self.trials], slo)


def estimated(trials: Sequence[Trial], slo: Slo) -> Capacity:
    """From trials on both sides of the capacity; 0 if none met the SLO."""
    if not any(trial.met for trial in trials):
        return Capacity(0.0, tuple(trials))
    if all(trial.met for trial in trials):
        return Capacity(max(trial.rate for trial in trials), tuple(trials))
    return Capacity(_crossing(*_bracket(trials), slo), tuple(trials))


@dataclass(frozen=True, slots=True)
class Search:
    """`step` is the first step away from a guess, `resolution` the ratio at which bisection ends.

    Rates are those at the machine's usual pace: more is sent when it is faster, and less when it is slower.
    """

    slo: Slo
    plan: Plan
    measure: Measure
    factor: Factor = as_measured

    def find(self, guess: float, *, step: float, resolution: float, known: bool = True) -> Capacity:
        """`known` is False if the guess is no more than a place to begin. Raises NothingValid."""
        trials = [self._first(guess)] if known else self._explore(guess)
        stride = step
        while all(trial.met == trials[0].met for trial in trials):
            up = trials[0].met
            rate = _slowed(trials[-1].rate * stride if up else _lower(trials[-1], stride), trials)
            if trials[-1].closed:  # users are whole
                rate = math.ceil(rate) if up else math.floor(rate)
            if rate < LOWEST_RATE:
                return Capacity(0.0, tuple(trials))
            trials.append(self._trial(rate))
            stride = min(stride**1.6, 4.0)  # faster and faster, until both sides are known
        low, high = _bracket(trials)
        for _ in range(_HALVINGS):  # a pace that changes could move the two sides apart for ever
            if high.rate / low.rate <= resolution or _neighbours(low, high):
                break
            trials.append(self._trial(_slowed(_between(low, high, self.slo), trials)))
            low, high = _bracket(trials)
        return estimated(trials, self.slo)

    def _first(self, guess: float) -> Trial:
        """At the guess; where that is too much for the generator, perhaps not for the target, at less."""
        for _ in range(_LOWERED):
            try:
                return self._trial(guess)
            except NothingValid as error:
                if not error.unsent:
                    raise
            guess /= _LESS
        return self._trial(guess)

    def _explore(self, rate: float) -> list[Trial]:
        """Four times the rate until the SLO is missed: the capacity is close to what was still answered."""
        first = self._valid(rate, self.plan.shortest)
        if first.wrong and sum(first.wrong.values()) == first.requests and "0" not in first.wrong:
            raise NothingValid(f"not one answer was good{failures(first)}")
        trials = [judge([first], self.slo, self.factor)]
        while trials[-1].met:
            rate *= _FAST
            try:
                taken = self._valid(rate, self.plan.shortest)
            except NothingValid:  # too much for the generator, perhaps not for the target: in smaller steps
                break
            trials.append(judge([taken], self.slo, self.factor))
        if len(trials) > 1 and not trials[-1].met and (likely := _lower(trials[-1], 1.0)) > trials[-2].rate:
            trials.append(self._trial(_slowed(likely, trials)))
        return trials

    def _trial(self, rate: float) -> Trial:
        """Measures once more where the first measurement shows neither a pass nor a failure."""
        seconds = self.plan.lasting(self.slo, rate)
        taken = [self._valid(rate, seconds)]
        if _shows(taken, self.slo) is Shown.OPEN and taken[0].requests < self.plan.requests:
            taken.append(self._valid(rate, seconds))
        return judge(taken, self.slo, self.factor)

    def _valid(self, rate: float, seconds: float) -> Measurement:
        """Tries again what something passing disturbed, such as steal; not what will be the same again."""
        for _ in range(_TRIES):
            taken = self.measure(rate, seconds)
            if taken.valid:
                return taken
            if not taken.requests:
                break
        raise NothingValid("; ".join(taken.invalid), unsent=not taken.requests)


def _slowed(rate: float, trials: Sequence[Trial]) -> float:
    """What to send for a rate at the usual pace, if the pace stays as it was last."""
    last = trials[-1]
    return rate * last.measurements[-1].offered / last.rate


def _lower(trial: Trial, stride: float) -> float:
    """The next rate below one that missed: not above what was answered of it."""
    last = trial.measurements[-1]
    answered = last.kept * trial.rate
    return min(trial.rate / stride, 0.95 * answered) if answered > 0 else trial.rate / max(stride, _FAST)


def _shows(taken: Sequence[Measurement], slo: Slo) -> Shown:
    slow, requests = sum(m.slow(slo) for m in taken), sum(m.requests for m in taken)
    return shown(slow, requests, slo.slow)


def _bracket(trials: Sequence[Trial]) -> tuple[Trial, Trial]:
    """The lowest miss, and the highest pass below it; a pass above a miss is luck."""
    high = min((t for t in trials if not t.met), key=lambda t: t.rate)
    below = [t for t in trials if t.met and t.rate < high.rate]
    if below:
        return max(below, key=lambda t: t.rate), high
    low = max((t for t in trials if t.met), key=lambda t: t.rate)  # all passes are above: believe them
    above = [t for t in trials if not t.met and t.rate > low.rate]
    return low, min(above, key=lambda t: t.rate, default=low)


def _crossing(low: Trial, high: Trial, slo: Slo) -> float:
    """Where the latency crosses the limit: in a queue its inverse falls evenly as the rate grows."""
    if high.rate <= low.rate:
        return low.rate
    above, below = 1 / low.latency, 1 / high.latency
    wanted = 1 / slo.latency
    if not above > wanted > below:
        return math.sqrt(low.rate * high.rate)
    return low.rate + (high.rate - low.rate) * (above - wanted) / (above - below)


def _neighbours(low: Trial, high: Trial) -> bool:
    """True if there is no number of users between the two."""
    return low.closed and high.offered - low.offered <= 1


def _between(low: Trial, high: Trial, slo: Slo) -> float:
    """Halfway, drawn towards where the latencies suggest the crossing."""
    middle = math.sqrt(low.rate * high.rate)
    drawn = math.sqrt(middle * _crossing(low, high, slo))
    width: float = (high.rate / low.rate) ** 0.2
    return min(max(drawn, low.rate * width), high.rate / width)
