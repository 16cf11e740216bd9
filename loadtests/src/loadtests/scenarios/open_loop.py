"""A locust User class for an open loop: its tasks begin on a schedule, however slow the answers are.

    class Buyer(OpenLoopUser):
        @task
        def look(self) -> None:
            self.client.get("/items/1", name="/items/{id}")

`--arrivals` tasks begin in a second, by `--schedule`. The latency of a task's first request counts from the
moment at which the task was due. Users carry the tasks out: when all are busy, what is due waits, and its
wait is counted. With several locust processes each has its share of the rate, by its share of the users.
"""

import time
from collections.abc import Callable
from typing import Any

import gevent
from locust import FastHttpUser, events
from locust.env import Environment
from locust.event import EventHook
from locust.runners import WorkerRunner
from locust.user.task import TaskSet

from loadtests.scenarios import options
from loadtests.scenarios.schedule import Schedule

options.register()
SCHEDULE = Schedule(options.PATIENCE)
CUT_OFF = 1.0  # seconds; what was due just before the end is cut off by it
acted = EventHook()  # after each task: intended, ended (`time.perf_counter`), failed
_here: set[int] = set()  # users that are through their `on_start`

Task = Callable[[Any], object]


class OpenLoopUser(FastHttpUser):
    """Subclass it. Tasks are methods; `on_start` is done by all before the first task is due."""

    abstract = True
    connection_timeout = network_timeout = options.PATIENCE

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        options.check_target(environment, self.host)
        self.tasks = [_on_schedule(task) for task in self.tasks]
        self.client.request_event = self.counted = _Counted(environment)
        self.intended = 0.0  # when its task is due, on the clock of `time.perf_counter`

    def wait_time(self) -> float:
        """Until its task is due, if one is."""
        return max(0.0, self.intended - time.perf_counter())


class _Counted:
    """Between the client and locust's statistics: adds to the first request of a task how late it began."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._due: float | None = None  # on the clock of `time.time`, as locust's own start of a request
        self.failed = False

    def begin(self, due: float) -> None:
        self._due, self.failed = due, False

    def fire(self, **request: Any) -> None:
        if self._due is not None:
            late = max(0.0, request["start_time"] - self._due)
            request["response_time"] += 1000 * late
            if late > options.given(self._environment).late and not request.get("exception"):
                request["exception"] = TimeoutError("sent too late: every user was busy")
            self._due = None
        self.failed = self.failed or bool(request.get("exception"))
        self._environment.events.request.fire(**request)


def _on_schedule(task: Any) -> Task:
    """The task, at the next moment at which one is due."""
    if isinstance(task, type) and issubclass(task, TaskSet):
        raise TypeError(f"{task.__name__}: the tasks of an OpenLoopUser are methods, not TaskSets")

    def act(user: OpenLoopUser) -> None:
        _here.add(id(user))
        count(user.environment, "never sent", SCHEDULE.missed(time.perf_counter()))
        intended = SCHEDULE.take()
        if intended is None:  # not everybody is here yet
            gevent.sleep(0.02)
            return
        user.intended = intended
        user.wait()  # type: ignore[no-untyped-call] # of locust, which may end the user here
        user.counted.begin(time.time() - time.perf_counter() + intended)
        failed = True
        try:
            task(user)
            failed = user.counted.failed
        except gevent.GreenletExit:  # the test is over, and it was given time to end
            count(user.environment, "unfinished", 1)
            raise
        finally:
            acted.fire(intended=intended, ended=time.perf_counter(), failed=failed)

    return act


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
        deadline = time.perf_counter() + options.PATIENCE
        if isinstance(runner, WorkerRunner):
            gevent.sleep(0)  # so that it knows its share of the users
            # The master waits a second for its workers' reports, then says that all users are there anyway.
            while runner.user_count < runner.target_user_count and time.perf_counter() < deadline:
                gevent.sleep(0.02)
        here = runner.user_count if runner is not None else user_count
        if here == 0:  # a worker may have none
            return
        while len(_here) < (runner.user_count if runner else 0) and time.perf_counter() < deadline:
            gevent.sleep(0.02)
        seed = f"{given.seed}-{getattr(runner, 'worker_index', 0)}"
        rate = given.arrivals * here / max(here, user_count)
        SCHEDULE.begin(rate, time.perf_counter(), seed, even=given.schedule == "constant")

    return begin


def _prepare(environment: Environment, **_: Any) -> None:
    options.describe(environment, open_loop=True)
    if type(environment.runner).__name__ != "MasterRunner":
        environment.events.spawning_complete.add_listener(begin_together(environment))


def _forget(**_: Any) -> None:
    _here.clear()


def _count_what_was_never_sent(environment: Environment, **_: Any) -> None:
    count(environment, "never sent", SCHEDULE.end(time.perf_counter() - CUT_OFF))


events.init.add_listener(_prepare)
events.test_start.add_listener(_forget)
events.test_stopping.add_listener(_count_what_was_never_sent)
