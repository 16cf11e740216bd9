"""Closed loop: each user waits for an answer, thinks, and acts again.

A slow system is asked less often by such users, so that its worst moments weigh little in the figures. For
latency at a given rate see `arrivals.py`; for how many people a system carries this is the right one.
"""

import random
from typing import Any

from locust import FastHttpUser, events, task
from locust.env import Environment

from loadtests.calls import Calls
from loadtests.diamonds import load_diamonds
from loadtests.mix import pick
from loadtests.scenarios import options
from loadtests.visitor import Visitor

options.register()
DIAMONDS = load_diamonds()


class Shopper(FastHttpUser):
    """Signs up and logs in, then does what the mix says, with `--think` seconds between."""

    connection_timeout = network_timeout = options.PATIENCE

    def on_start(self) -> None:
        options.check_target(self.environment, self.host)
        self.visitor = Visitor(DIAMONDS)
        self.visitor.arrive(Calls(self.client))

    def wait_time(self) -> float:
        shortest, longest = options.think(self.environment)
        return random.uniform(shortest, longest)  # noqa: S311 - load, not secrets

    @task
    def act(self) -> None:
        self.visitor.act(pick(options.mix(self.environment)), Calls(self.client))


def _prepare(environment: Environment, **_: Any) -> None:
    options.describe(environment, open_loop=False)


events.init.add_listener(_prepare)
