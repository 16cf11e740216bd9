"""What the machine did during a measurement: steal, throttling, clock frequency, other programs."""

import os
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import psutil

_STAT = Path("/proc/stat")
_CGROUPS = (Path("/sys/fs/cgroup/cpu.stat"), Path("/sys/fs/cgroup/cpu/cpu.stat"))
_UNITS = {"throttled_usec": 1e6, "throttled_time": 1e9}  # cgroup v2, v1


@dataclass(frozen=True, slots=True)
class Moment:
    """`busy` is seconds of CPU used by anything, of the CPUs asked about."""

    at: float
    stolen: float
    total: float
    busy: float
    throttled: float | None


@dataclass(frozen=True, slots=True)
class During:
    """Shares of the time, and CPUs."""

    steal: float
    throttled: float | None
    busy: float
    mhz: float | None


def moment(cpus: Collection[int] = (), stat: Path = _STAT) -> Moment:
    ticks = os.sysconf("SC_CLK_TCK")
    stolen = total = busy = 0.0
    names = {f"cpu{number}" for number in cpus} or {"cpu"}
    for line in stat.read_text().splitlines():
        name, *fields = line.split()
        if name in names:
            user, nice, system, idle, iowait, irq, softirq, taken = map(float, fields[:8])
            stolen += taken / ticks
            busy += (user + nice + system + irq + softirq) / ticks
            total += (user + nice + system + idle + iowait + irq + softirq + taken) / ticks
    return Moment(time.perf_counter(), stolen, total, busy, throttled())


def between(first: Moment, last: Moment) -> During:
    elapsed = max(1e-3, last.at - first.at)
    held = None
    if first.throttled is not None and last.throttled is not None:
        held = (last.throttled - first.throttled) / elapsed
    steal = (last.stolen - first.stolen) / max(0.01, last.total - first.total)
    return During(steal, held, (last.busy - first.busy) / elapsed, _mhz())


def throttled(files: Collection[Path] = _CGROUPS) -> float | None:
    """Seconds in which this process's cgroup was held back; None where it cannot be read."""
    for file in files:
        try:
            lines = dict(line.split() for line in file.read_text().splitlines())
        except (OSError, ValueError):
            continue
        for name, unit in _UNITS.items():
            if name in lines:
                return int(lines[name]) / unit
    return None


def _mhz() -> float | None:
    try:
        frequency = psutil.cpu_freq()
    except (OSError, NotImplementedError):
        return None
    return round(frequency.current, 1) if frequency else None
