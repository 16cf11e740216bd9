"""What the processes of an application use."""

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import psutil

_BACKEND = re.compile(
    r"postgres: \S+ \S+ (\[local\]|\S+\(\d+\))"
)  # the title of the server of one connection
_GUNICORN = re.compile(r"gunicorn: \w+ \[(.+)\]")  # the title that it gives to itself
_SERVERS = ("postgres", "valkey-server", "redis-server")  # beside the application, not of it


@dataclass(frozen=True, slots=True)
class Use:
    """`workers` maps a worker's process id to its seconds of CPU, `modules` to its module or its title."""

    cpu: float = 0.0
    database: float = 0.0  # seconds of CPU of Postgres
    pss: int = 0
    largest: int = 0
    workers: Mapping[int, float] = field(default_factory=dict)
    modules: Mapping[int, str] = field(default_factory=dict)
    connections: int = 0  # to Postgres

    def named(self, module: str) -> "Use":
        """All its workers taken for those of this module."""
        return replace(self, modules=dict.fromkeys(self.workers, module))


def together(several: Iterable[Use]) -> Use:
    """Of applications that consist of several process trees."""
    trees = list(several)
    return Use(
        sum(tree.cpu for tree in trees),
        sum(tree.database for tree in trees),
        sum(tree.pss for tree in trees),
        max((tree.largest for tree in trees), default=0),
        {pid: used for tree in trees for pid, used in tree.workers.items()},
        {pid: module for tree in trees for pid, module in tree.modules.items()},
        sum(tree.connections for tree in trees),
    )


def use(root: int) -> Use:
    """Of the process and all that it started; databases apart from the rest."""
    cpu, database, connections, sizes = 0.0, 0.0, 0, [0]
    workers: dict[int, float] = {}
    modules: dict[int, str] = {}
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(root)
        family = [process, *process.children(recursive=True)]
        parents = {child.ppid() for child in family[1:] if not _helper(child)}
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                times = member.cpu_times()
                used = times.user + times.system
                if member.name().startswith(_SERVERS):
                    database += used if member.name().startswith("postgres") else 0.0
                    connections += bool(_BACKEND.match(" ".join(member.cmdline())))
                    continue
                cpu += used
                sizes.append(int(member.memory_full_info().pss))
                if member.pid not in parents and not _helper(member):
                    module = _module(member.cmdline())  # first, because it may end meanwhile
                    workers[member.pid], modules[member.pid] = used, module
    return Use(cpu, database, sum(sizes), max(sizes), workers, modules, connections)


def _module(command: Sequence[str]) -> str:
    if title := _GUNICORN.match(" ".join(command)):
        return title[1]
    return command[command.index("-m") + 1] if "-m" in command[:-1] else ""


def _helper(process: psutil.Process) -> bool:
    """Python's multiprocessing starts one beside the workers."""
    try:
        return any("resource_tracker" in part for part in process.cmdline())
    except psutil.Error:
        return False


def pin(root: int, cpus: Collection[int]) -> None:
    """The process, all that it started, and every thread of them."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for member in [psutil.Process(root), *psutil.Process(root).children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                for thread in member.threads():
                    os.sched_setaffinity(thread.id, cpus)


def stop(process: "subprocess.Popen[bytes]", patience: float) -> None:
    """SIGTERM, and SIGKILL for what is left of it, in whatever process group."""
    family: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):  # psutil never kills another process of the same id
            member.kill()
    process.wait()
    psutil.wait_procs(family, timeout=patience)


def end(roots: Iterable[int], patience: float) -> None:
    """Of processes that are not our children: they, and all that they started."""
    family: list[psutil.Process] = []
    for root in roots:
        with contextlib.suppress(psutil.NoSuchProcess):
            family += [psutil.Process(root), *psutil.Process(root).children(recursive=True)]
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            member.kill()
    psutil.wait_procs(family, timeout=patience)
