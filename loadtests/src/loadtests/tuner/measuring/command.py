"""Any command as a target: started with a worker count and a port, asked until it is ready, measured."""

import contextlib
import math
import os
import shlex
import signal
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from loadtests.bench.rig import free_port
from loadtests.tuner.histogram import Histogram
from loadtests.tuner.measuring import guards, machine
from loadtests.tuner.measuring.generate import generate, generate_otherwise
from loadtests.tuner.measuring.load import Load, Result
from loadtests.tuner.measuring.processes import Use, stop, use
from loadtests.tuner.measuring.requests import Request
from loadtests.tuner.measuring.second import Answers
from loadtests.tuner.measuring.yardstick import yardstick
from loadtests.tuner.model import Configuration, Limits, Measurement, Resources, RollOutFailed, Slo

_RESET = 60.0  # seconds that the reset of the state may take
_STOP = 20.0  # seconds that it may take to end by itself
_WARM_UP = 1.0  # seconds of one step
_WARM_UPS = 6
_STABLE = 0.8  # times the median latency of the step before
_TURNS = 20  # connections per worker that take turns
_STOPPING = {signal.SIGINT, signal.SIGTERM}


@dataclass(frozen=True, slots=True)
class App:
    """`command` holds `{workers}` and `{port}`, and may hold other settings by name."""

    name: str
    command: str
    requests: Sequence[Request]
    slo: Slo
    limits: Limits
    ready: str = "/"
    cwd: Path = Path()
    reset: str = ""  # command that removes the state which the run before left
    env: Mapping[str, str] = field(default_factory=dict)
    knobs: Mapping[str, Sequence[str]] = field(default_factory=dict)  # values of the other settings
    target_cpus: frozenset[int] = frozenset()  # empty: wherever the generator may run too
    load_cpus: frozenset[int] = frozenset()
    values: Mapping[str, Sequence[str]] = field(default_factory=dict)  # for `{name}` in the requests


class CommandTarget:
    """`limit` is the generator's calibrated rate, above which nothing is measured."""

    services: Sequence[str] = ("app",)
    start_within = 30.0  # seconds until it is ready

    def __init__(self, app: App) -> None:
        self.app = app
        self.limit: float | None = None
        self.spent = 0.0
        self.values = dict(app.values)
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._counts = {"app": 1}
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()

    @property
    def name(self) -> str:
        return self.app.name

    @property
    def limits(self) -> Limits:
        return self.app.limits

    def roll_out(self, configuration: Configuration) -> None:
        begun = time.perf_counter()
        try:
            self._roll_out(configuration)
        finally:
            self.spent += time.perf_counter() - begun

    def _roll_out(self, configuration: Configuration) -> None:
        self._stop()
        self._port, self._counts = free_port(), dict(configuration.workers)
        self._log.truncate(0)
        self._reset()
        self._start(configuration)
        self._wait()
        self._prepare_load()
        self._warm_up()

    def _start(self, configuration: Configuration) -> None:
        with _uninterrupted():
            self._process = subprocess.Popen(  # noqa: S603 - the user's own command
                self._arguments(configuration),
                cwd=self.app.cwd,
                env={**os.environ, **self.app.env, **self._environment(configuration)},
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=self._prepare,  # noqa: PLW1509 - no threads here
            )

    def measure(self, rate: float, seconds: float, seed: int) -> Measurement:
        load = self._load(rate, seconds, seed)
        if refused := tuple(guards.before(load, self.limit)):
            return Measurement(rate, 0, 0, seconds, seed, Histogram(), invalid=refused)
        begun, before, first = time.perf_counter(), self._use(), machine.moment(self.app.target_cpus)
        with yardstick(self.app.target_cpus | self.app.load_cpus) as mood:
            done = generate(load, self.app.load_cpus)
        after, during = self._use(), machine.between(first, machine.moment(self.app.target_cpus))
        self.spent += time.perf_counter() - begun
        return Measurement(
            offered=rate,
            sent=done.sent / seconds,
            answered=done.answered_in_time / seconds,
            seconds=seconds,
            seed=seed,
            latencies=Histogram({int(bucket): count for bucket, count in done.latencies.items()}),
            errors=done.errors,
            unsent=done.due - done.started,
            unfinished=done.unfinished,
            resources=replace(self._resources(before, after, done, during), yardstick=mood.seconds),
            invalid=tuple(guards.after(done, self.app.slo, during.steal)),
        )

    def ask_otherwise(self, rate: float, seconds: float) -> tuple[Answers, float | None]:
        """By the second generator, with the yardstick meanwhile; what runs is left as it is."""
        with yardstick(self.app.target_cpus | self.app.load_cpus) as mood:
            done = generate_otherwise(self._load(rate, seconds, 1), self.app.load_cpus)
        return done, mood.seconds

    def close(self) -> None:
        self._stop()
        self._log.close()

    def _load(self, rate: float, seconds: float, seed: int) -> Load:
        turns = _TURNS * self._workers
        return Load(
            self._port,
            rate,
            seconds,
            seed,
            list(self.app.requests),
            connections=max(256, turns),
            spread=min(turns, 16 + math.ceil(3 * rate)),  # servers close connections that are idle for long
            values=self.values,
        )

    def _resources(self, before: Use, after: Use, done: Result, during: machine.During) -> Resources:
        """A worker's share is that of its service's CPU time, which needs no help from the application."""
        by_service: dict[str, list[float]] = {}
        for pid, cpu in after.workers.items():
            service = self._service(after.modules[pid])
            if service is not None:
                by_service.setdefault(service, []).append(max(0.0, cpu - before.workers.get(pid, 0.0)))
        cpu, database = max(0.0, after.cpu - before.cpu), max(0.0, after.database - before.database)
        return Resources(
            app_cpus=cpu / done.elapsed,
            database_cpus=database / done.elapsed,
            generator_cpus=done.cpus,
            throttled=during.throttled,
            steal=during.steal,
            mhz=during.mhz,
            pss=after.pss,
            worker_pss=after.largest,
            database_connections=after.connections or None,
            service_cpus={name: sum(used) / done.elapsed for name, used in by_service.items()},
            worker_shares={
                name: [cpu / sum(used) for cpu in used] for name, used in by_service.items() if sum(used) > 0
            },
        )

    @property
    def _workers(self) -> int:
        return sum(self._counts.values())

    def _use(self) -> Use:
        return use(self._process.pid) if self._process else Use()

    def _arguments(self, configuration: Configuration) -> list[str]:
        values = {**dict(configuration.knobs), "workers": self._workers, "port": self._port}
        return shlex.split(self.app.command.format(**values))

    def _environment(self, _configuration: Configuration) -> dict[str, str]:
        return {}

    def _reset(self) -> None:
        """Before a start: removes the state that the run before left. Raises RollOutFailed."""
        if not self.app.reset:
            return
        try:
            subprocess.run(  # noqa: S603 - the user's own command
                shlex.split(self.app.reset), cwd=self.app.cwd, env={**os.environ, **self.app.env},
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_RESET, check=True,
            )  # fmt: skip
        except subprocess.CalledProcessError as error:
            last = error.stderr.strip().splitlines()[-1:] or ["it said nothing"]
            raise RollOutFailed(f"[state] reset failed with {error.returncode}: {last[0]}") from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise RollOutFailed(f"[state] reset failed: {error}") from error

    def _prepare_load(self) -> None:
        """When it is ready: what the requests need, such as accounts."""

    def _service(self, _module: str) -> str | None:
        """The service whose worker runs this module; None if it is none."""
        return "app"

    def _prepare(self) -> None:
        """In the new process, before its command."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
        self._affinity()

    def _affinity(self) -> None:
        if self.app.target_cpus:
            os.sched_setaffinity(0, self.app.target_cpus)

    def _wait(self, until: Callable[[], bool] | None = None, otherwise: str = "") -> None:
        """Until it is ready. Raises RollOutFailed."""
        deadline, ready = time.monotonic() + self.start_within, until or self._answers
        while not ready():
            if self._ended():
                raise RollOutFailed(f"it ended: {self._last_words()}")
            if time.monotonic() > deadline:
                reason = otherwise or f"{self.app.ready} was not answered with 200"
                raise RollOutFailed(f"{reason} within {self.start_within:g} s")
            time.sleep(0.05)

    def _ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _answers(self) -> bool:
        line = f"GET {self.app.ready} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 2) as line_out:
            line_out.sendall(line.encode())
            return line_out.recv(64).split(b" ")[1:2] == [b"200"]
        return False

    def _warm_up(self) -> None:
        """Until every worker has served and answers no longer become faster, or long enough."""
        first, before = self._use().workers, math.inf
        for step in range(_WARM_UPS):
            done = generate(self._load(30.0 * self._workers, _WARM_UP, step), self.app.load_cpus)
            now = self._use()
            median = Histogram({int(bucket): count for bucket, count in done.latencies.items()}).percentile(
                50
            )
            if self._served(first, now) and median > _STABLE * before:
                return
            before = median
        if len(now.workers) < self._workers:
            raise RollOutFailed(
                f"{len(now.workers)} of {self._workers} workers are there: {self._last_words()}"
            )

    def _served(self, first: Mapping[int, float], now: Use) -> bool:
        """True if as many workers of each service as were asked for used CPU meanwhile."""
        worked = Counter(
            self._service(now.modules[pid]) for pid, used in now.workers.items() if used > first.get(pid, 0.0)
        )
        return all(worked[service] >= count for service, count in self._counts.items())

    def _last_words(self) -> str:
        self._log.seek(0)
        text = self._log.read().decode(errors="replace").strip()
        return " | ".join(text[-1000:].splitlines()[-3:]) or "it said nothing"

    def _stop(self) -> None:
        if self._process is not None:
            stop(self._process, _STOP)
            self._process = None


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """A signal that arrives meanwhile is handled afterwards, when the process is known and can be stopped."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
