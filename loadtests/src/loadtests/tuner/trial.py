"""All measurements of one configuration at one rate, and whether they met the SLO."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from loadtests.tuner.model import Measurement, Slo
from loadtests.tuner.pace import Factor, as_measured


@dataclass(frozen=True, slots=True)
class Trial:
    """All measurements at one rate taken together; `rate` is corrected to the machine's usual pace."""

    rate: float
    met: bool
    latency: float  # at the SLO's percentile, failures included; seconds
    measurements: tuple[Measurement, ...]

    @property
    def offered(self) -> float:
        return self.measurements[0].offered

    @property
    def closed(self) -> bool:
        return self.measurements[0].closed


def judge(taken: Sequence[Measurement], slo: Slo, factor: Factor = as_measured) -> Trial:
    """By the point estimate: the decision's own error counts the rounds, not the requests."""
    requests = sum(m.requests for m in taken)
    slow, failed = sum(m.slow(slo) for m in taken), sum(m.failed for m in taken)
    answers = sum((m.latencies for m in taken[1:]), taken[0].latencies)
    rank = 100 * (slo.percentile / 100 * requests / answers.total) if answers.total else 101.0
    latency = answers.percentile(rank) if rank <= 100 else math.inf  # noqa: PLR2004 - per cent
    met = slow <= slo.slow * requests and failed <= slo.errors * requests
    pace = math.prod(map(factor, taken)) ** (1 / len(taken))
    return Trial(taken[0].offered * pace, met, latency, tuple(taken))


def failures(taken: Measurement) -> str:
    """Such as ` (60 × status 404)`: what came instead of good answers. Empty where nothing is known."""
    said = [
        f"{count} × {f'status {status}' if status != '0' else 'no answer'}"
        for status, count in sorted(taken.wrong.items(), key=lambda item: -item[1])
    ]
    if taken.unfinished:
        said.append(f"{taken.unfinished} × no answer by the end")
    if taken.unsent:
        said.append(f"{taken.unsent} × not sent")
    return f" ({', '.join(said)})" if said else ""
