"""Processes pinned to cores, each with its log in one folder, all of them stopped at the end."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from loadtests.bench.awake import awake
from loadtests.bench.exceptions import BenchFailed
from loadtests.stopping import in_child, stoppable, uninterrupted

START_TIMEOUT = 20.0  # seconds
STOP_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class Cores:
    """The server under test has one to itself; the load generator and the upstream share the other."""

    server: int
    load: int


def choose_cores(cgroup: Path = Path("/sys/fs/cgroup")) -> Cores:
    """Raises BenchFailed when this process may not use two."""
    allowed = sorted(os.sched_getaffinity(0))
    usable = min(len(allowed), _quota(cgroup) or len(allowed))
    if usable < 2:  # noqa: PLR2004 - see Cores
        raise BenchFailed("this bench needs two cores, one for the server under test and one for the load")
    return Cores(allowed[0], allowed[1])


def _quota(cgroup: Path) -> float | None:
    """CPUs by cgroup v2's `cpu.max`: "<quota µs> <period µs>" or "max <period µs>"."""
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else int(quota) / int(period)


def require(*programs: str) -> None:
    """Raises BenchFailed naming what is not installed, and the Debian package that has it."""
    packages = {"nginx": "nginx-light", "taskset": "util-linux"}
    missing = [program for program in programs if find(program) is None]
    if missing:
        names = " ".join(packages.get(program, program) for program in missing)
        raise BenchFailed(f"this bench needs {', '.join(missing)} (Debian: apt install {names})")


def find(program: str) -> str | None:
    """Also where servers are installed, which is not on everybody's path."""
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Rig:
    """Use it in a `with` block: whatever happens inside, nothing that it started is left.

    Ctrl-C, SIGTERM and a closed terminal end the block too. Meanwhile cores are kept awake. Processes get
    a clean environment: no proxy or setting of the caller's shell counts for one peer and not for another.
    """

    def __init__(self, cores: Cores) -> None:
        self.cores = cores
        self.folder = Path()
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "Rig":
        self._signals = stoppable()
        self._signals.__enter__()
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="facet-bench-")))
        self.folder.chmod(0o755)  # nginx's worker is another user when root runs this
        self._stack.enter_context(awake())
        self._stack.callback(self._stop_all)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            with uninterrupted():  # a Ctrl-C must not leave half of it
                self._stack.close()
        finally:
            self._signals.__exit__(None, None, None)

    def start(
        self,
        name: str,
        command: list[str],
        *,
        core: int | str,
        ready: Callable[[], bool],
        environment: Mapping[str, str] | None = None,
        patience: float = START_TIMEOUT,
    ) -> None:
        """Start on `core` (or cores, "1,2") and wait until `ready()`, for `patience` seconds.

        Raises BenchFailed with the end of its log when it never is.
        """
        with self.log(name).open("wb") as log, uninterrupted():
            process = subprocess.Popen(  # noqa: S603 - the commands are the bench's own
                ["taskset", "--cpu-list", str(core), *command],  # noqa: S607 - require() has looked for it
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", **(environment or {})},
                cwd=self.folder,
                start_new_session=True,  # a Ctrl-C is for the bench, which then stops these in order
                preexec_fn=in_child,  # noqa: PLW1509 - no threads here
            )
            self._running.append((name, process))
        deadline = time.monotonic() + patience
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise BenchFailed(f"{name} did not start: {self._last_words(name)}")
            time.sleep(0.05)

    def stop(self, name: str) -> None:
        """What was started under this name, if anything was."""
        for started in [it for it in self._running if it[0] == name]:
            self._running.remove(started)
            _stop(started[1])

    def log(self, name: str) -> Path:
        return self.folder / f"{name.replace(' ', '-')}.log"

    def pid(self, name: str) -> int:
        return next(process.pid for started, process in self._running if started == name)

    def pids(self) -> list[int]:
        return [process.pid for _, process in self._running]

    def check_alive(self) -> None:
        """Raises BenchFailed when something that was started has ended."""
        for name, process in self._running:
            if process.poll() is not None:
                raise BenchFailed(f"{name} ended by itself: {self._last_words(name)}")

    def _last_words(self, name: str) -> str:
        text = self.log(name).read_text(errors="replace").strip()
        return " | ".join(text[-1000:].splitlines()[-5:]) or "it said nothing"

    def _stop_all(self) -> None:
        for _, process in reversed(self._running):
            _stop(process)
        self._running.clear()


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """SIGTERM for the process, and SIGKILL for whatever of its session is left."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_TIMEOUT)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
