"""Any command as a target: started with a worker count and a port, asked until it is ready, measured."""

import contextlib
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from loadtests.bench.rig import free_port
from loadtests.tuner.histogram import Histogram
from loadtests.tuner.measuring.load import Load, Result
from loadtests.tuner.measuring.processes import Use, steal, use
from loadtests.tuner.measuring.requests import Request
from loadtests.tuner.model import Configuration, Limits, Measurement, Resources, RollOutFailed, Slo

_START = 30.0  # seconds until it is ready
_STOP = 5.0
_WARM_UP = 1.0  # seconds of one step
_WARM_UPS = 6
_LAG = 0.05  # of the SLO; a generator later than this is not trusted
_BUSY = 0.8  # of a CPU
_STEAL = 0.1
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
    env: Mapping[str, str] = field(default_factory=dict)
    knobs: Mapping[str, Sequence[str]] = field(default_factory=dict)  # values of the other settings
    target_cpus: frozenset[int] = frozenset()  # empty: wherever the generator may run too
    load_cpus: frozenset[int] = frozenset()


class CommandTarget:
    services: Sequence[str] = ("app",)

    def __init__(self, app: App) -> None:
        self.app = app
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._workers = 1
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()

    @property
    def name(self) -> str:
        return self.app.name

    @property
    def limits(self) -> Limits:
        return self.app.limits

    def roll_out(self, configuration: Configuration) -> None:
        self._stop()
        self._port, self._workers = free_port(), configuration.total_workers
        self._log.truncate(0)
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
        self._wait()
        self._warm_up()

    def measure(self, rate: float, seconds: float, seed: int) -> Measurement:
        before, stolen, ticks = self._use(), *steal()
        load = Load(self._port, rate, seconds, seed, list(self.app.requests), max(256, 20 * self._workers))
        done = self._generate(load)
        after, stolen_after, ticks_after = self._use(), *steal()
        lost = (stolen_after - stolen) / max(1.0, ticks_after - ticks)
        answers = Histogram({int(bucket): count for bucket, count in done.latencies.items()})
        return Measurement(
            offered=rate,
            sent=done.started / seconds,
            answered=done.answered_in_time / seconds,
            seconds=seconds,
            seed=seed,
            latencies=answers,
            errors=done.errors,
            unsent=done.due - done.started,
            unfinished=done.unfinished,
            resources=self._resources(before, after, done, lost),
            invalid=tuple(self._objections(done, lost)),
        )

    def close(self) -> None:
        self._stop()
        self._log.close()

    def _resources(self, before: Use, after: Use, done: Result, lost: float) -> Resources:
        """A worker's share is that of its service's CPU time, which needs no help from the application."""
        by_service: dict[str, list[float]] = {}
        for pid, cpu in after.workers.items():
            service = self._service(after.modules[pid])
            if service is not None:
                by_service.setdefault(service, []).append(cpu - before.workers.get(pid, 0.0))
        return Resources(
            app_cpus=max(0.0, after.cpu - before.cpu) / done.elapsed,
            database_cpus=max(0.0, after.database - before.database) / done.elapsed,
            generator_cpus=done.cpus,
            steal=lost,
            pss=after.pss,
            worker_pss=after.largest,
            worker_shares={
                name: [cpu / sum(used) for cpu in used] for name, used in by_service.items() if sum(used) > 0
            },
        )

    def _objections(self, done: Result, lost: float) -> Sequence[str]:
        checks = {
            f"the generator used {done.cpus:.0%} of a CPU": done.cpus > _BUSY,
            f"the generator was {done.lag * 1000:.0f} ms late": done.lag > _LAG * self.app.slo.latency,
            f"{done.refused} answers were 429: switch the rate limit off": done.refused > 0,
            f"the hypervisor took {lost:.0%} of the CPU": lost > _STEAL,
        }
        return [what for what, wrong in checks.items() if wrong]

    def _use(self) -> Use:
        return use(self._process.pid) if self._process else Use()

    def _generate(self, load: Load) -> Result:
        done = subprocess.run(
            [sys.executable, "-m", "loadtests.tuner.measuring.load"],
            input=json.dumps(asdict(load)),
            capture_output=True,
            text=True,
            check=True,
            timeout=load.seconds + load.patience + 30,
            preexec_fn=self._pin if self.app.load_cpus else None,
        )
        return Result(**json.loads(done.stdout))

    def _arguments(self, configuration: Configuration) -> list[str]:
        values = {**dict(configuration.knobs), "workers": self._workers, "port": self._port}
        return shlex.split(self.app.command.format(**values))

    def _environment(self, _configuration: Configuration) -> dict[str, str]:
        return {}

    def _service(self, _module: str) -> str | None:
        """The service whose worker runs this module; None if it is none."""
        return "app"

    def _prepare(self) -> None:
        """In the new process, before its command."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
        if self.app.target_cpus:
            os.sched_setaffinity(0, self.app.target_cpus)

    def _pin(self) -> None:
        os.sched_setaffinity(0, self.app.load_cpus)

    def _wait(self) -> None:
        deadline = time.monotonic() + _START
        while not self._answers():
            if self._process is None or self._process.poll() is not None:
                raise RollOutFailed(f"it ended: {self._last_words()}")
            if time.monotonic() > deadline:
                raise RollOutFailed(f"{self.app.ready} was not answered with 200 within {_START:g} s")
            time.sleep(0.05)

    def _answers(self) -> bool:
        line = f"GET {self.app.ready} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 2) as line_out:
            line_out.sendall(line.encode())
            return line_out.recv(64).split(b" ")[1:2] == [b"200"]
        return False

    def _warm_up(self) -> None:
        """Until every worker has used CPU for answers, or long enough: the report shows uneven shares."""
        first = self._use().workers
        for step in range(_WARM_UPS):
            load = Load(self._port, 30.0 * self._workers, _WARM_UP, step, list(self.app.requests))
            self._generate(load)
            now = self._use().workers
            if sum(now[pid] > first.get(pid, 0.0) for pid in now) >= self._workers and step > 0:
                return
        if len(now) < self._workers:
            raise RollOutFailed(f"{len(now)} of {self._workers} workers are there: {self._last_words()}")

    def _last_words(self) -> str:
        self._log.seek(0)
        text = self._log.read().decode(errors="replace").strip()
        return " | ".join(text[-1000:].splitlines()[-3:]) or "it said nothing"

    def _stop(self) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """A signal that arrives meanwhile is handled afterwards, when the process is known and can be stopped."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
