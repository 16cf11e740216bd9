"""Gunther's Universal Scalability Law, fitted on some worker counts and checked on the others.

X(n) = rate·min(n, ceiling) / (1 + contention·(n - 1) + coherency·n·(n - 1)). The ceiling is the number of
workers that the machine can keep busy at once; where the data do not ask for one, it is infinite and this is
the plain law.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_STEPS, _MOST_DAMPING, _CLOSE = 500, 1e10, 1e-12  # of the method of least squares
_APART = 1e-9  # of a ceiling from the counts on its two sides, as a share
_LEAST_SPREAD = 0.005  # capacities repeat no better than to half a per cent


@dataclass(frozen=True, slots=True)
class Prediction:
    value: float
    low: float  # 95 %, for one measured capacity
    high: float


@dataclass(frozen=True, slots=True)
class Law:
    rate: float  # requests per second of one worker
    contention: float
    coherency: float
    ceiling: float
    spread: float  # standard deviation of a capacity round the law, as a share
    degrees: int
    covariance: Floats

    def capacity(self, workers: float) -> float:
        return float(np.exp(_log_law(self._parameters, np.array([workers]))[0]))

    def predict(self, workers: int) -> Prediction:
        """Wide where the fit had few points or poor agreement."""
        gradient = _slopes(self._parameters, np.array([float(workers)]))[0]
        error = math.sqrt(self.spread**2 + max(0.0, float(gradient @ self.covariance @ gradient)))
        half = float(scipy.special.stdtrit(self.degrees, 0.975)) * error
        value = self.capacity(workers)
        return Prediction(value, value * math.exp(-half), value * math.exp(min(half, 50)))

    @property
    def _parameters(self) -> Floats:
        plain = [math.log(self.rate), self.contention, self.coherency]
        return np.array(plain if math.isinf(self.ceiling) else [*plain, math.log(self.ceiling)])


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What the law said about a count that it had not seen, and what was measured there."""

    workers: int
    measured: float
    predicted: Prediction

    @property
    def error(self) -> float:
        return self.predicted.value / self.measured - 1

    @property
    def inside(self) -> bool:
        return self.predicted.low <= self.measured <= self.predicted.high


def fit(capacities: Mapping[int, float]) -> Law:
    """By worker count. Raises ValueError for fewer than four counts."""
    if len(capacities) < 4:  # noqa: PLR2004 - three parameters and a residual
        raise ValueError("the law needs the capacities of at least four worker counts")
    counts = np.array(sorted(capacities), dtype=float)
    logs = np.log([capacities[int(count)] for count in counts])
    plain = _solve(counts, logs)
    if len(counts) < 5:  # noqa: PLR2004 - a fourth parameter needs a residual too
        return plain
    capped = [_solve(counts, logs, between) for between in pairwise(counts)]
    best = min(capped, key=lambda law: law.spread * math.sqrt(law.degrees))
    return min((plain, best), key=lambda law: _criterion(law, len(counts)))


def held_out(capacities: Mapping[int, float]) -> tuple[Law, Sequence[HeldOut]] | None:
    """Fits on every second count and both ends, predicts the rest; None with too few counts."""
    counts = sorted(capacities)
    unseen = counts[1:-1:2] if len(counts) < 9 else counts[2:-1:3]  # noqa: PLR2004 - keep five to fit on
    seen = {count: capacities[count] for count in counts if count not in unseen}
    if len(seen) < 4 or not unseen:  # noqa: PLR2004 - see fit
        return None
    law = fit(seen)
    return law, [HeldOut(count, capacities[count], law.predict(count)) for count in unseen]


def _criterion(law: Law, points: int) -> float:
    """Bayes's: a ceiling has to explain more than a free parameter would by chance."""
    parameters = points - law.degrees
    return points * math.log(law.spread**2 * law.degrees / points) + parameters * math.log(points)


def _solve(counts: Floats, logs: Floats, ceiling: tuple[float, float] | None = None) -> Law:
    """With the ceiling between two neighbouring counts, where the law has no kink."""
    start = [float(logs[0] - math.log(counts[0])), 0.02, 1e-4]
    low, high = [-np.inf, 0.0, 0.0], [np.inf, 10.0, 1.0]
    if ceiling:
        low.append(math.log(ceiling[0] * (1 + _APART)))
        high.append(math.log(ceiling[1] * (1 - _APART)))
        start.append((low[-1] + high[-1]) / 2)
    found, cost, slopes = _least_squares(counts, logs, np.array(start), np.array(low), np.array(high))
    degrees = max(1, len(counts) - len(start))
    spread = max(math.sqrt(cost / degrees), _LEAST_SPREAD)
    covariance = np.linalg.pinv(slopes.T @ slopes) * spread**2
    rate, contention, coherency, *rest = (float(value) for value in found)
    cap = math.exp(rest[0]) if rest else math.inf
    return Law(math.exp(rate), contention, coherency, cap, spread, degrees, covariance)


def _least_squares(
    counts: Floats, logs: Floats, p: Floats, low: Floats, high: Floats
) -> tuple[Floats, float, Floats]:
    """Levenberg's and Marquardt's method within bounds: the parameters, the sum of squares, the slopes.

    scipy's takes ten times as long: parameters are often at their bound, which it approaches from within.
    """
    rest = _log_law(p, counts) - logs
    cost, damping = float(rest @ rest), 1e-3
    for _ in range(_STEPS):
        slopes = _slopes(p, counts)
        downhill = -(rest @ slopes)
        free = np.where(downhill > 0, p < high, p > low)
        inner = slopes[:, free]
        squares = inner.T @ inner
        scale = np.diag(np.diag(squares))
        better = False
        while not better and damping < _MOST_DAMPING and free.any():
            tried = p.copy()
            tried[free] += np.linalg.solve(squares + damping * scale, downhill[free])
            tried = np.clip(tried, low, high)
            left = _log_law(tried, counts) - logs
            costs = float(left @ left)
            better = costs < cost
            damping *= 0.1 if better else 10
        if not better:
            break
        ended = cost - costs <= _CLOSE * cost
        p, rest, cost = tried, left, costs
        if ended:
            break
    return p, cost, _slopes(p, counts)


def _log_law(p: Floats, n: Floats) -> Floats:
    busy = n if len(p) == 3 else np.minimum(n, math.exp(p[3]))  # noqa: PLR2004 - see _solve
    result: Floats = p[0] + np.log(busy) - np.log1p(p[1] * (n - 1) + p[2] * n * (n - 1))
    return result


def _slopes(p: Floats, n: Floats) -> Floats:
    """By each parameter, a row for each count."""
    share = 1 + p[1] * (n - 1) + p[2] * n * (n - 1)
    columns = [np.ones_like(n), -(n - 1) / share, -n * (n - 1) / share]
    if len(p) > 3:  # noqa: PLR2004 - see _solve
        columns.append(np.where(n > math.exp(p[3]), 1.0, 0.0))
    return np.stack(columns, axis=1)
