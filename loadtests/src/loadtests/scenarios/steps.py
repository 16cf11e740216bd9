"""A load shape, apart from the users that it moves: a staircase.

Given beside a file of users: `locust -f shopper.py,steps.py`.
"""

import time

from locust import LoadTestShape
from locust.exception import StopTest

from loadtests.scenarios import options

options.register()


class Steps(LoadTestShape):
    """`--steps` equal stairs up to `--users`, over the whole `--run-time`."""

    use_common_options = True

    def tick(self) -> tuple[int, float] | None:
        if self.runner is None:
            return None
        given = options.given(self.runner.environment)
        if not given.run_time:
            raise StopTest("a staircase needs a --run-time")
        users, rate = given.num_users or given.steps, given.spawn_rate or 1
        elapsed = time.perf_counter() - self.start_time
        return stair(elapsed, users, rate, given.run_time, given.steps)


def stair(elapsed: float, users: int, rate: float, duration: float, steps: int) -> tuple[int, float] | None:
    """Users, and users started a second, at `elapsed` seconds; None when it is over."""
    if elapsed >= duration:
        return None
    step = int(elapsed / duration * steps) + 1
    return max(1, users * step // steps), rate
