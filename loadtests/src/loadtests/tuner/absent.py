"""What stands for the target when a report is made: everything comes from the journal."""

from collections.abc import Sequence

from loadtests.tuner.model import Configuration, Limits, Measurement


class Unfinished(Exception):
    """The journal ends before the decision."""


class Absent:
    """Stands for a target that is not there: a finished run needs none."""

    services: Sequence[str] = ("app",)
    spent = 0.0

    def __init__(self, name: str, limits: Limits, unit: str = "requests/s") -> None:
        self.name, self.limits, self.unit = name, limits, unit

    def roll_out(self, configuration: Configuration) -> None:
        raise Unfinished(f"the run is not finished: {configuration.label} was to be measured next")

    def measure(self, rate: float, seconds: float, seed: int) -> Measurement:
        raise Unfinished(
            f"the run is not finished: {rate:g} requests/s for {seconds:g} s, seed {seed}, is next"
        )

    def close(self) -> None:
        """Nothing was started."""
