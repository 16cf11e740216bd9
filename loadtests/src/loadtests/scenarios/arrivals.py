"""Open loop: people come when they come, however slow the answers are.

Actions begin on a schedule of `--arrivals` a second and latency is counted from the moment an action should
have begun. Users carry them out, each with an account of its own: when all are busy, what is due waits, and
its wait is counted. With several locust processes each has its share of the rate, by its share of the users.
"""

import time
from collections.abc import Callable
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
SCHEDULE = Schedule(options.PATIENCE)
CUT_OFF = 1.0  # seconds; what was due just before the end is cut off by it


class Hand(FastHttpUser):
    """Takes the next due action."""

    connection_timeout = network_timeout = options.PATIENCE
    wait_time = constant(0)

    def on_start(self) -> None:
        options.check_target(self.environment, self.host)
        self.visitor = Visitor(DIAMONDS)
        self.visitor.arrive(Calls(self.client))

    @task
    def act(self) -> None:
        count(self.environment, "never sent", SCHEDULE.missed(time.perf_counter()))
        intended = SCHEDULE.take()
        if intended is None:  # not everybody is here yet
            gevent.sleep(0.05)
            return
        gevent.sleep(max(0.0, intended - time.perf_counter()))
        calls = Calls(self.client, intended, options.given(self.environment).late)
        try:
            self.visitor.act(pick(options.mix(self.environment)), calls)
        except gevent.GreenletExit:  # the test is over, and it was given time to end
            count(self.environment, "unfinished", 1)
            raise


_REASONS = {
    "never sent": "due, but every user was busy: more users, or a faster system",
    "unfinished": "not answered when the test ended",
}


def count(environment: Environment, name: str, times: int) -> None:
    """A failure for each, as slow as a request can be."""
    for _ in range(times):
        environment.events.request.fire(
            request_type="",
            name=name,
            response_time=options.PATIENCE * 1000,
            response_length=0,
            exception=TimeoutError(_REASONS[name]),
            context={},
        )


def begin_together(environment: Environment) -> Callable[..., None]:
    """Nobody is due before everybody is here; `user_count` is that of all processes."""

    def begin(user_count: int, **_: Any) -> None:
        given, runner = options.given(environment), environment.runner
        here = runner.user_count if runner is not None else user_count
        if here == 0:  # the master of several processes has no users
            return
        seed = f"{given.seed}-{getattr(runner, 'worker_index', 0)}"
        rate = given.arrivals * here / max(here, user_count)
        SCHEDULE.begin(rate, time.perf_counter(), seed, even=given.schedule == "constant")

    return begin


def _prepare(environment: Environment, **_: Any) -> None:
    options.describe(environment, open_loop=True)
    if type(environment.runner).__name__ != "MasterRunner":
        environment.events.spawning_complete.add_listener(begin_together(environment))


def _count_what_was_never_sent(environment: Environment, **_: Any) -> None:
    count(environment, "never sent", SCHEDULE.end(time.perf_counter() - CUT_OFF))


events.init.add_listener(_prepare)
events.test_stopping.add_listener(_count_what_was_never_sent)
