"""What the processes of an application use."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class Use:
    """`workers` maps a worker's process id to its seconds of CPU."""

    cpu: float
    pss: int
    largest: int
    workers: Mapping[int, float]


def use(root: int) -> Use:
    """Of the process, and everything that it started."""
    cpu, sizes, workers = 0.0, [0], {}
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(root)
        family = [process, *process.children(recursive=True)]
        parents = {child.ppid() for child in family[1:] if not _helper(child)}
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                times = member.cpu_times()
                cpu += times.user + times.system
                sizes.append(int(member.memory_full_info().pss))
                if member.pid not in parents and not _helper(member):
                    workers[member.pid] = times.user + times.system
    return Use(cpu, sum(sizes), max(sizes), workers)


def _helper(process: psutil.Process) -> bool:
    """Python's multiprocessing starts one beside the workers."""
    try:
        return any("resource_tracker" in part for part in process.cmdline())
    except psutil.Error:
        return False


def steal(stat: Path = Path("/proc/stat")) -> tuple[float, float]:
    """Ticks that the hypervisor took, and all ticks."""
    ticks = [float(part) for part in stat.read_text().splitlines()[0].split()[1:9]]
    return ticks[7], sum(ticks)
