"""How much is measured, and how sure a decision must be."""

from dataclasses import dataclass

from loadtests.tuner.model import Slo

REPORT = 15.0  # seconds after the last load: the end of what runs, the report, its picture
STRESSING = 5  # loads that an overload takes
LONG = 16  # times the SLO's latency: in less, a queue that grows may not show it
_IN_TIME = 0.95  # of the time that is given


@dataclass(frozen=True, slots=True)
class Plan:
    """`looks` are the only numbers of rounds after which the data may decide; those for which there is time
    share `error`.
    """

    margin: float = 0.05  # a configuration this much below the best is as good as the best
    error: float = 0.05  # risk that any statement of the whole run is wrong
    looks: tuple[int, ...] = (4, 6, 8, 12)
    seconds: float = 10.0  # of one measurement at most
    shortest: float = 3.0  # of one measurement at least
    requests: int = 1049  # of one measurement: shows p99 with five slow ones
    first_rate: float = 20.0  # requests per second per worker, where nothing is known
    survivors: int = 4  # configurations that enter the rounds
    step: float = 1.05  # from rate to rate in a round, away from what the round before found
    resolution: float = 1.11  # of a round: the ratio of two rates between which the capacity is interpolated
    seed: int = 1
    checked: bool = True  # at the end by a second generator, where there is one for such a load
    within: float | None = None  # seconds of the whole run, from the generator's test to the report

    @property
    def rounds(self) -> int:
        return self.looks[-1]

    def duration(self, rate: float) -> float:
        """Seconds that hold enough requests for the percentile, within the bounds."""
        return min(self.seconds, max(self.shortest, self.requests / rate))

    def lasting(self, slo: Slo, rate: float = 0.1) -> float:
        """Seconds of a load that says whether the SLO is met, by either generator; at most, without a rate.

        What starts idle gets later only as it goes on, so a longer load meets the SLO at a lower rate.
        """
        return max(self.duration(rate), LONG * slo.latency)


def within(minutes: float) -> float:
    """Seconds to plan with: a run ends in so many minutes also if its last part takes longer than planned."""
    return _IN_TIME * 60 * minutes


# Ends within ten minutes, calibration and reports included, and decides more coarsely for it.
QUICK = Plan(
    margin=0.1,
    looks=(4, 6, 9, 12),
    seconds=5.0,
    shortest=3.0,
    requests=700,
    survivors=3,
    step=1.12,
    resolution=1.18,
    within=within(10),
)
