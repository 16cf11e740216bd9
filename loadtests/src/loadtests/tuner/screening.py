"""A first look at many worker counts of one application: one capacity each, coarse."""

from collections.abc import Callable, Mapping, Sized
from dataclasses import dataclass

from loadtests.tuner import candidates
from loadtests.tuner.capacity import Capacity
from loadtests.tuner.model import Configuration
from loadtests.tuner.race import AFTER
from loadtests.tuner.runner import Runner

STEP = 1.25
RESOLUTION = 1.2  # interpolation between two trials this close is good to about 3 %
_COARSE = 1.26  # no finer than the step, so that two trials are enough where the guess was right
_NEAR = 0.88  # of the best screened capacity: may be the best in truth
_FAR = 0.75  # the noise of a quiet machine does not do this
_ENOUGH, _FEW = 9, 2  # counts; of fewer, so many enter the rounds
_GOOD = 0.92  # likely to be within the margin of the best

Screened = dict[Configuration, Capacity]


def screen(runner: Runner, service: str, knobs: Mapping[str, str] | None = None) -> Screened:
    """Upwards until the curve has turned or a limit is met, then between the best ones.

    Raises NothingValid.
    """
    found: dict[int, Capacity] = {}

    def look(count: int, why: str, resolution: float = _COARSE) -> bool:
        configuration = Configuration.of({service: count}, **(knobs or {}))
        capacity = runner.capacity(
            configuration,
            _guess(rates(), count, runner),
            step=STEP,
            resolution=resolution,
            why=why,
            known=any(rates().values()),
        )
        if capacity is not None:
            found[count] = capacity
        return capacity is not None

    def rates() -> dict[int, float]:
        return {count: capacity.rate for count, capacity in found.items()}

    thumb = candidates.rules_of_thumb(runner.target.limits)
    ladder = candidates.ladder(runner.target.limits)
    later = runner.plan.looks[0] * runner.plan.survivors + AFTER
    while affordable := _with_time(runner, found, ladder, thumb[candidates.RULE]):
        count, *ladder = affordable
        runner.left = len(ladder) + 1 + later
        if candidates.lost(rates()) and count not in thumb.values():
            continue
        if not look(count, "a first look"):
            _up_to_the_limit(runner, service, look, max(found, default=0), count)
            break
    while found and runner.clock.time_for(1, *_race(runner, found)):
        between = candidates.refine(rates())
        if between is None:
            break
        if not look(between, "between two good ones", RESOLUTION):
            break
    return {Configuration.of({service: n}, **(knobs or {})): found[n] for n in sorted(found)}


def _race(runner: Runner, found: Sized) -> tuple[int, int]:
    """Rounds and configurations that there must be time for after the looks."""
    return runner.plan.looks[0], min(len(found) + 1, runner.plan.survivors + 1)


def _with_time(runner: Runner, found: Sized, ladder: list[int], thumb: int) -> list[int]:
    """Every second or third count and so on if there is no time for all; the rule of thumb's in any case."""
    for every in range(1, len(ladder) + 1):
        kept = [n for place, n in enumerate(ladder) if n == thumb or place % every == every - 1]
        if not found or runner.clock.time_for(len(kept), *_race(runner, found)):
            if every > 1:
                runner.hurry(f"no time for all counts: {', '.join(map(str, kept))} are looked at")
            return kept
    return [n for n in ladder if n == thumb]


def _up_to_the_limit(
    runner: Runner, service: str, look: Callable[[int, str], bool], allowed: int, refused: int
) -> None:
    """The largest count that the limits allow, which the ladder stepped over."""
    for count in range(refused - 1, allowed, -1):
        if runner.feasible.refusal(Configuration.of({service: count})) is None:
            if look(count, "the most that the limits allow"):
                _up_to_the_limit(runner, service, look, count, refused)
            return


def _guess(rates: Mapping[int, float], count: int, runner: Runner) -> float:
    """As the nearest smaller counts suggest."""
    known = sorted(n for n in rates if rates[n] > 0)
    if not known:
        return runner.plan.first_rate * count
    below = [n for n in known if n < count]
    above = [n for n in known if n > count]
    if below and above:
        low, high = below[-1], above[0]
        part = (count - low) / (high - low)
        return rates[low] + part * (rates[high] - rates[low])
    if len(below) > 1:
        growth = (rates[below[-1]] / rates[below[-2]] - 1) / (below[-1] / below[-2] - 1)
        return rates[below[-1]] * (1 + max(-0.3, min(1.0, growth)) * (count / below[-1] - 1))
    return rates[known[0]] * count / known[0]


def rivals(runner: Runner, service: str) -> int:
    """How many enter the rounds. Of a few counts two: rounds of more would be most of a full grid."""
    counts = range(1, candidates.largest(runner.target.limits) + 1)
    keys = (Configuration.of({service: count}) for count in counts)
    allowed = sum(runner.feasible.refusal(key) is None for key in keys)
    return runner.plan.survivors if allowed >= _ENOUGH else min(_FEW, runner.plan.survivors)


def some_behind(screened: Screened, noise: float = 0.0) -> bool:
    """True if the first look already showed differences."""
    rates = [capacity.rate for capacity in screened.values()]
    return min(rates) < _far(noise) * max(rates)


def _far(noise: float) -> float:
    """Of the best: what noise does not do, given by how much two results of one configuration differed."""
    return min(_FAR, 1 - 3 * noise)


def survivors(
    screened: Screened, most: int, noise: float = 0.0
) -> tuple[list[Configuration], dict[Configuration, str]]:
    """Those worth rounds, smallest first, and why the others are not. `noise` is that of the first look."""
    rates = {key: capacity.rate for key, capacity in screened.items()}
    best = max(rates.values())
    close = min(_NEAR, 1 - 2 * noise)
    near = sorted((key for key in rates if rates[key] >= close * best), key=lambda key: key.total_workers)
    kept = near
    if len(near) == 1:  # one alone would show neither its noise nor that it is the best
        far = _far(noise) * best
        kept = sorted((key for key in rates if rates[key] >= far), key=lambda key: -rates[key])[:2]
    if len(near) > most:
        fast = sorted(near, key=lambda key: -rates[key])[: most - most // 2]
        small = [key for key in near if rates[key] >= _GOOD * best and key not in fast]
        kept = [*fast, *small][:most]
        kept += [key for key in near if key not in kept][: most - len(kept)]
    dropped = {
        key: f"{rates[key] / best - 1:+.0%} against the best at first look"
        if rates[key] < close * best
        else "close to others that are smaller or faster"
        for key in rates
        if key not in kept
    }
    return sorted(kept, key=lambda key: (key.total_workers, key)), dropped


@dataclass(frozen=True, slots=True)
class Entrants:
    """Those that enter the rounds, smallest first; those of them that stay; why the others do not enter."""

    running: list[Configuration]
    stay: frozenset[Configuration]
    dropped: Mapping[Configuration, str]


def entrants(
    runner: Runner, screened: Screened, knobs: Mapping[str, str], most: int, noise: float
) -> Entrants:
    """2n + 1 workers of each service enter however slow they are, if they can run at all."""
    thumb = candidates.thumb(runner.target.services, runner.target.limits, knobs)
    if thumb not in screened and (refusal := runner.feasible.refusal(thumb)):
        runner.rejected.setdefault(thumb, refusal)
    stay = {thumb} if thumb in screened and screened[thumb].rate > 0 else set()
    running, dropped = survivors(screened, most, noise)
    return Entrants(
        sorted({*running, *stay}, key=lambda key: (key.total_workers, key)),
        frozenset(stay),
        {key: why for key, why in dropped.items() if key not in stay},
    )
