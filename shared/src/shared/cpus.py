"""How many CPUs this process may really use."""

import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def usable_cpus(cgroup: Path = CGROUP) -> int:
    """CPUs by affinity and by cgroup quota (v2, then v1), whichever is fewer; at least one.

    The host's count misleads in a container: with a quota of 1.5 CPUs on 64 cores the answer is 1.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota_v2(cgroup) or _quota_v1(cgroup)
    return max(1, min(allowed, int(quota)) if quota else allowed)


def _quota_v2(cgroup: Path) -> float | None:
    """`cpu.max` holds "<quota µs> <period µs>" or "max <period µs>"."""
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else int(quota) / int(period)


def _quota_v1(cgroup: Path) -> float | None:
    """A quota of -1 means none."""
    try:
        quota = int((cgroup / "cpu/cpu.cfs_quota_us").read_text())
        period = int((cgroup / "cpu/cpu.cfs_period_us").read_text())
    except (OSError, ValueError):
        return None
    return quota / period if quota > 0 else None
