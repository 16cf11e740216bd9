"""Open loop: people come when they come, however slow the answers are.

Actions begin at random moments (a Poisson process of `--arrivals` a second) and latency is counted from the
moment an action should have begun. Users are the hands that carry them out: when all are busy, what is due
waits, and its wait is counted. Run it in one locust process: each has a schedule of its own.
"""

import time
from typing import Any

import gevent
from locust import FastHttpUser, constant, events, task
from locust.env import Environment

from loadtests.calls import Calls
from loadtests.diamonds import load_diamonds
from loadtests.mix import pick
from loadtests.scenarios import options
from loadtests.scenarios.schedule import Schedule
from loadtests.visitor import Visitor

options.register()
DIAMONDS = load_diamonds()
SCHEDULE = Schedule()
CUT_OFF = 1.0  # seconds


class Hand(FastHttpUser):
    """Takes the next due action, with an account of its own."""

    connection_timeout = network_timeout = options.PATIENCE
    wait_time = constant(0)

    def on_start(self) -> None:
        options.check_target(self.environment, self.host)
        self.visitor = Visitor(DIAMONDS)
        self.visitor.arrive(Calls(self.client))

    @task
    def act(self) -> None:
        intended = SCHEDULE.take()
        if intended is None:  # not everybody is here yet
            gevent.sleep(0.05)
            return
        gevent.sleep(max(0.0, intended - time.perf_counter()))
        self.visitor.act(pick(options.mix(self.environment)), Calls(self.client, intended))


def _prepare(environment: Environment, **_: Any) -> None:
    """Nobody is due before everybody is here."""

    def begin(**_: Any) -> None:
        SCHEDULE.begin(options.given(environment).arrivals, time.perf_counter())

    events.spawning_complete.add_listener(begin)


def _count_what_was_never_sent(environment: Environment, **_: Any) -> None:
    """What was due and found no hand is the worst latency of all; what was just due is cut off by the end."""
    for waited in SCHEDULE.end(time.perf_counter() - CUT_OFF):
        environment.events.request.fire(
            request_type="",
            name="never sent",
            response_time=waited * 1000,
            response_length=0,
            exception=TimeoutError("due, but every user was busy: more users, or a faster system"),
            context={},
        )


events.init.add_listener(_prepare)
events.test_stopping.add_listener(_count_what_was_never_sent)
