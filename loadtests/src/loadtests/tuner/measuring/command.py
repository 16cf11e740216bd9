"""Any command as a target: started with a worker count and a port, asked until it is ready, measured."""

import contextlib
import math
import os
import re
import shlex
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping

from loadtests.bench.rig import free_port
from loadtests.stopping import in_child, uninterrupted
from loadtests.tuner.measuring.app import App
from loadtests.tuner.measuring.generate import generate
from loadtests.tuner.measuring.loaded import STABLE, WARM_UP, WARM_UPS, Loaded
from loadtests.tuner.measuring.processes import Use, end, stop, use
from loadtests.tuner.measuring.running import listeners
from loadtests.tuner.model import Configuration, RollOutFailed

_KNOWN = re.compile(r"\{(\w+)\}")
_RESET = 60.0  # seconds that the reset of the state may take
_NOTHING = "it said nothing"
_DAEMON = 2.0  # seconds after a start in which one that left the foreground begins to listen
_STOP = 20.0  # seconds that it may take to end by itself


class CommandTarget(Loaded):
    start_within = 30.0  # seconds until it is ready

    def __init__(self, app: App) -> None:
        super().__init__(app)
        self._process: subprocess.Popen[bytes] | None = None
        self._status = ""  # that `ready` was answered with
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()

    def roll_out(self, configuration: Configuration) -> None:
        self._stop()
        self._port, self._counts = free_port(), dict(configuration.workers)
        self._log.truncate(0)
        self._status = ""
        self._reset()
        self._start(configuration)
        self._wait()
        self._prepare_load()
        self._warm_up()

    def _start(self, configuration: Configuration) -> None:
        """Raises RollOutFailed if the system knows no such command."""
        words = self._arguments(configuration)
        try:
            with uninterrupted():
                self._process = subprocess.Popen(  # noqa: S603 - the user's own command
                    words,
                    cwd=self.app.cwd,
                    env={**os.environ, **self.app.env, **self._environment(configuration)},
                    stdin=subprocess.DEVNULL,
                    stdout=self._log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=self._prepare,  # noqa: PLW1509 - no threads here
                )
        except OSError as error:
            if not self.app.cwd.is_dir():
                raise RollOutFailed(f"[app] cwd {self.app.cwd} is no folder") from error
            raise RollOutFailed(
                f"{words[0]} in {self.app.cwd}: {error.strerror} (the command runs without a shell)"
            ) from error

    def close(self) -> None:
        self._stop()
        self._log.close()

    def _use(self) -> Use:
        return use(self._process.pid) if self._process else Use()

    def _arguments(self, configuration: Configuration) -> list[str]:
        values = {**dict(configuration.knobs), "workers": self._workers, "port": self._port}
        return [
            _KNOWN.sub(lambda found: str(values.get(found[1], found[0])), word)
            for word in shlex.split(self.app.command)
        ]

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

    def _prepare(self) -> None:
        """In the new process, before its command."""
        in_child()
        self._affinity()

    def _affinity(self) -> None:
        if self.app.target_cpus:
            os.sched_setaffinity(0, self.app.target_cpus)

    def _wait(self, until: Callable[[], bool] | None = None, otherwise: str = "") -> None:
        """Until it is ready. Raises RollOutFailed."""
        within = self.app.start_within or self.start_within
        deadline, ready = time.monotonic() + within, until or self._answers
        while not ready():
            if self._ended():
                self._refuse_daemon()
                raise RollOutFailed(f"it ended: {self._last_words()}")
            if time.monotonic() > deadline:
                raise RollOutFailed(f"{otherwise or self._unready()} within {within:g} s{self._said()}")
            time.sleep(0.05)
        if self._ended():
            self._refuse_daemon()

    def _refuse_daemon(self) -> None:
        """Raises RollOutFailed if it went on by itself, and stops that: nobody else was told the port."""
        if self._process is None or self._process.poll() != 0:
            return
        deadline = time.monotonic() + _DAEMON
        while time.monotonic() < deadline:
            if serving := listeners(self._port):
                end(serving, _STOP)
                raise RollOutFailed("it left the foreground: start it without --daemon or the like")
            time.sleep(0.05)

    def _ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _unready(self) -> str:
        if self._status:
            return (
                f"{self.app.ready} was answered with {self._status} instead of 200 ([app] ready names a path)"
            )
        return f"{self.app.ready} was not answered at 127.0.0.1:{self._port}"

    def _answers(self) -> bool:
        line = f"GET {self.app.ready} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 2) as line_out:
            line_out.sendall(line.encode())
            self._status = b"".join(line_out.recv(64).split(b" ")[1:2]).decode(errors="replace")
            return self._status == "200"
        return False

    def _warm_up(self) -> None:
        """Until every worker has served and answers no longer become faster, or long enough."""
        first, before = self._use().workers, math.inf
        for step in range(WARM_UPS):
            done = generate(self._load(30.0 * self._workers, WARM_UP, step), self.app.load_cpus)
            now = self._use()
            if self._served(first, now) and done.median > STABLE * before:
                return
            before = done.median
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
        return " | ".join(text[-1000:].splitlines()[-3:]) or _NOTHING

    def _said(self) -> str:
        last = self._last_words()
        return f": {last}" if last != _NOTHING else ""

    def _stop(self) -> None:
        if self._process is not None:
            stop(self._process, _STOP)
            self._process = None
