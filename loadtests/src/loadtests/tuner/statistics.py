"""Multiple comparisons with the best, on log-capacities measured in rounds.

Every round measures every configuration once. What disturbs a whole round disturbs all of them alike and
drops out of the differences (the classic randomised block design). The critical values are Dunnett's, so that
all comparisons of all looks hold together with the stated confidence.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, TypeVar

import numpy as np
import scipy  # parts are imported when they are used; scipy.stats, a second of CPU time, is not
from numpy.typing import NDArray

Key = TypeVar("Key")
Floats = NDArray[np.float64]
_FINEST = 1e-4  # no capacity is known better than to 0.01 %


@lru_cache(maxsize=512)
def dunnett(rivals: int, degrees: int, error: float) -> float:
    """One-sided critical value for comparing one mean with `rivals` others of the same variance."""
    if rivals == 1:
        return student(1 - error, degrees)
    return _critical(
        degrees, error, lambda z, widths: scipy.special.ndtr(z + math.sqrt(2) * widths) ** rivals
    )


@lru_cache(maxsize=512)
def tukey(arms: int, degrees: int, error: float) -> float:
    """For differences between any two means, which the bounds against the best do not cover."""

    def below(z: Floats, widths: Floats) -> Floats:
        """All the others lie at most `widths` below `z`, the highest of them."""
        result: Floats = arms * (scipy.special.ndtr(z) - scipy.special.ndtr(z - widths)) ** (arms - 1)
        return result

    return _critical(degrees, error, below)


def student(share: float, degrees: int) -> float:
    """That quantile of Student's t."""
    return float(scipy.special.stdtrit(degrees, share))


def _critical(degrees: int, error: float, joint: Callable[[Floats, Floats], Floats]) -> float:
    """Where the expectation of `joint(z, value · s / sigma)` is 1 - `error`: z is normal, s has `degrees`."""
    nodes, weights = np.polynomial.legendre.leggauss(80)
    z, z_weights = 8 * nodes, 8 * weights * np.exp(-((8 * nodes) ** 2) / 2) / math.sqrt(2 * math.pi)
    # s / sigma by its quantiles, closer together towards both ends, where they grow fastest
    shares, share_weights = (2 + 3 * nodes - nodes**3) / 4, weights * 3 / 4 * (1 - nodes**2)
    scale = np.sqrt(2 * scipy.special.gammaincinv(degrees / 2, shares) / degrees)

    def covered(value: float) -> float:
        return float(share_weights @ (joint(z[None, :], value * scale[:, None]) @ z_weights))

    return float(scipy.optimize.brentq(lambda value: covered(value) - (1 - error), 0.0, 1e4))


@dataclass(frozen=True, slots=True)
class Comparison(Generic[Key]):
    """`worst[k]` is the lower bound of capacity(k) / capacity(best rival); 1.02 means at least 2 % better."""

    rounds: int
    means: Mapping[Key, float]  # geometric
    worst: Mapping[Key, float]
    low: Mapping[Key, float]  # 95 % interval of each capacity by itself
    high: Mapping[Key, float]
    spread: float  # standard deviation of one capacity, as a share, after the rounds' own effects
    apart: float  # two means this far apart, in logarithms, are shown to differ (Tukey)

    @property
    def best(self) -> Key:
        return max(self.means, key=lambda key: self.means[key])

    def shown_worse(self, key: Key, share: float = 0.0) -> bool:
        """True if `key` is shown to have less than 1 - `share` of the best one's capacity."""
        behind = math.log(self.means[key] / self.means[self.best])
        return behind + self.apart < math.log(1 - share)

    @property
    def differs(self) -> bool:
        """True if any is shown to be worse than the best at all."""
        return any(self.shown_worse(key) for key in self.means)


def compare(capacities: Mapping[Key, Sequence[float]], error: float) -> Comparison[Key]:
    """By rounds: the n-th value of each belongs to the n-th round. `error` is this look's share of the risk.

    Raises ValueError for fewer than two rounds.
    """
    keys = list(capacities)
    logs = np.log(np.array([capacities[key] for key in keys], dtype=float))
    arms, rounds = logs.shape
    if rounds < 2:  # noqa: PLR2004 - one round has no spread
        raise ValueError("a comparison needs at least two rounds")
    means = logs.mean(axis=1)
    rest = logs - means[:, None] - logs.mean(axis=0)[None, :] + logs.mean()
    degrees = max(1, arms - 1) * (rounds - 1)
    variance = float((rest**2).sum()) / degrees if arms > 1 else float(logs.var(ddof=1))
    spread = max(math.sqrt(variance), _FINEST)
    half = dunnett(arms - 1, degrees, error) * spread * math.sqrt(2 / rounds) if arms > 1 else 0.0
    errors = np.maximum(logs.std(axis=1, ddof=1), _FINEST) / math.sqrt(rounds)
    alone = student(0.975, rounds - 1) * errors
    rival = [max(np.delete(means, arm), default=means[arm]) for arm in range(arms)]
    return Comparison(
        rounds,
        _named(keys, np.exp(means)),
        _named(keys, np.exp(means - np.array(rival) - half)),
        _named(keys, np.exp(means - alone)),
        _named(keys, np.exp(means + alone)),
        spread,
        tukey(arms, degrees, error) * spread / math.sqrt(rounds) if arms > 1 else math.inf,
    )


def _named(keys: Sequence[Key], values: Floats) -> dict[Key, float]:
    return {key: float(value) for key, value in zip(keys, values, strict=True)}


def alone(key: Key, rates: Sequence[float]) -> Comparison[Key]:
    """Of one configuration without a rival: its mean and 95 % interval."""
    logs = np.log(np.maximum(rates, 1e-9))
    mean, spread = float(np.mean(logs)), max(float(np.std(logs, ddof=1)), _FINEST)
    half = student(0.975, len(logs) - 1) * spread / math.sqrt(len(logs))
    low, high = math.exp(mean - half), math.exp(mean + half)
    return Comparison(len(logs), {key: math.exp(mean)}, {key: 1.0}, {key: low}, {key: high}, spread, half)
