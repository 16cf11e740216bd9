"""One load by the users of a locustfile, in a process of its own: as `http_load.py`, with locust.

In an open loop the rate is that of the tasks. In a closed loop it is the number of users.
"""

import json
import logging
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, cast

import gevent
import locust
from locust.argument_parser import get_parser
from locust.env import Environment
from locust.runners import LocalRunner
from locust.util.load_locustfile import load_locustfile

from loadtests.scenarios import open_loop
from loadtests.tuner.histogram import Histogram
from loadtests.tuner.measuring.load import RECYCLE, SLACK, TOO_MANY, Load, Result, more_files

_ARRIVAL = 30.0  # seconds in which all users must be through their `on_start`
_TICK = 0.005  # seconds between two looks at how late the generator is


class LocustGenerator:
    def __init__(self, load: Load) -> None:
        self.load, self.result = load, Result()
        self.latencies: list[float] = []
        self._spawned = False
        self._ready: set[int] = set()
        self._asking: set[int] = set()  # users that wait for an answer, closed loop
        self._lags: list[float] = []
        self._begin = self._end = 0.0

    def run(self) -> Result:
        load, result = self.load, self.result
        found, _ = load_locustfile(load.locustfile)
        environment = self._environment([self._driven(user) for user in found.values()])
        users = load.connections if load.open_loop else max(1, round(load.rate))
        cast("LocalRunner", environment.runner).start(users, spawn_rate=users)
        if not self._arrived(environment, users):
            result.elapsed = _ARRIVAL
            result.objection = f"{len(self._ready)} of {users} users came through on_start"
            return result
        with self._ticking():
            used = time.process_time()
            gevent.sleep(max(0.0, self._end - time.perf_counter()))
            result.cpus = (time.process_time() - used) / load.seconds
        unsent = open_loop.SCHEDULE.end(self._end) if load.open_loop else 0
        environment.stop_timeout = load.patience
        busy = self._stop(environment)
        result.elapsed = time.perf_counter() - self._begin
        result.unfinished = 0 if load.open_loop else busy  # an open loop's are failed tasks
        result.started = len(self.latencies) + result.errors + result.unfinished
        result.due = result.started + unsent
        result.sent = result.due  # what waits for a user is late because of the target
        result.lag = sorted(self._lags)[int(0.99 * len(self._lags))] if self._lags else 0.0
        result.latencies = {str(k): n for k, n in Histogram.of(self.latencies).counts.items()}
        return result

    def _environment(self, users: list[type[locust.User]]) -> Environment:
        """As locust's own command makes it: the file's listeners hear what they would hear there."""
        load = self.load
        arguments = ["--headless", f"--host={load.url}", f"--seed={load.seed}"]
        if load.open_loop:
            arguments += [f"--arrivals={load.rate}", f"--late={load.seconds + load.patience}"]
            arguments.append(f"--schedule={'constant' if load.even else 'poisson'}")
        options = get_parser(default_config_files=[]).parse_args(arguments)
        environment = Environment(
            user_classes=users, events=locust.events, host=options.host, parsed_options=options
        )
        runner = environment.create_local_runner()
        environment.events.init.fire(environment=environment, runner=runner, web_ui=None)
        if load.open_loop:
            open_loop.acted.add_listener(self._count_task)
        else:
            environment.events.request.add_listener(self._count_request)
        environment.events.request.add_listener(self._count_refusal)
        environment.events.spawning_complete.add_listener(self._note_spawned)
        return environment

    def _driven(self, user: type[locust.User]) -> type[locust.User]:
        """The file's class: says when it is ready, and closes some connections, as `load.py` does."""
        generator = self

        class Driven(user):  # type: ignore[misc, valid-type] # known at run time only
            def on_start(self) -> None:
                super().on_start()
                generator._ready.add(id(self))

            def context(self) -> dict[str, Any]:  # locust asks for it before each request
                generator._asking.add(id(self))
                return {**super().context(), "asking": id(self)}

            def wait_time(self) -> float:
                if random.random() < RECYCLE:  # noqa: S311 - load, no secret
                    _close(self)
                return float(super().wait_time())

        Driven.__name__ = user.__name__
        return Driven

    def _arrived(self, environment: Environment, users: int) -> bool:
        """When all users are ready; the time of the load then begins."""
        deadline, runner = time.perf_counter() + _ARRIVAL, cast("LocalRunner", environment.runner)
        while len(self._ready) < users or (self.load.open_loop and open_loop.SCHEDULE.began is None):
            lost = self._spawned and runner.user_count < users
            if lost or time.perf_counter() > deadline:
                environment.stop_timeout = 0
                runner.quit()
                return False
            gevent.sleep(0.01)
        self._begin = (self.load.open_loop and open_loop.SCHEDULE.began) or time.perf_counter()
        self._end = self._begin + self.load.seconds
        return True

    def _stop(self, environment: Environment) -> int:
        """Lets the users end what they are at. How many did not within the patience."""
        runner = cast("LocalRunner", environment.runner)
        leaving = gevent.spawn(runner.quit)
        deadline = time.perf_counter() + self.load.patience - _TICK
        while runner.user_count and time.perf_counter() < deadline:
            gevent.sleep(_TICK)
        busy = len(self._asking)
        leaving.join()
        return busy

    @contextmanager
    def _ticking(self) -> Iterator[None]:
        ticking = gevent.spawn(self._tick)
        try:
            yield
        finally:
            ticking.kill()

    def _tick(self) -> None:
        while True:
            due = time.perf_counter() + _TICK
            gevent.sleep(_TICK)
            self._lags.append(time.perf_counter() - due)

    def _note_spawned(self, **_: Any) -> None:
        self._spawned = True

    def _count_task(self, intended: float, ended: float, failed: bool) -> None:
        if intended <= self._end + SLACK:
            self._count(ended - intended, ended, failed=failed)

    def _count_request(self, response_time: float, exception: Any, context: dict[str, Any], **_: Any) -> None:
        self._asking.discard(context.get("asking", 0))
        ended, latency = time.perf_counter(), response_time / 1000
        if self._begin and self._begin <= ended - latency <= self._end:
            self._count(latency, ended, failed=bool(exception))

    def _count_refusal(self, response: Any = None, **_: Any) -> None:
        self.result.refused += getattr(response, "status_code", 0) == TOO_MANY

    def _count(self, latency: float, ended: float, *, failed: bool) -> None:
        if failed:
            self.result.errors += 1
            return
        self.latencies.append(latency)
        self.result.answered_in_time += ended <= self._end


def _close(user: Any) -> None:
    """The user's idle connections, so that keep-alive pins no worker; its next request opens another."""
    if isinstance(user, locust.FastHttpUser):
        user.client.client.clientpool.close()
    elif isinstance(user, locust.HttpUser):
        user.client.close()


def main() -> None:
    """What the locustfile prints goes to the standard error."""
    logging.getLogger("locust").setLevel(logging.CRITICAL)
    given: dict[str, Any] = json.load(sys.stdin)
    output, sys.stdout = sys.stdout, sys.stderr
    more_files()
    random.seed(given["seed"])
    json.dump(asdict(LocustGenerator(Load(**{**given, "requests": []})).run()), output)


if __name__ == "__main__":
    main()
