"""How much memory this process may really use, and what of it the collector leaves alone."""

import gc
import os
from pathlib import Path

from shared.cpus import CGROUP

MIB = 1024 * 1024


def usable_memory(cgroup: Path = CGROUP) -> int:
    """Bytes, for all workers together: the machine's or the cgroup's limit (v2, v1), whichever is less."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            limits.append(int((cgroup / name).read_text()))
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return min(limits)


def keep_from_collector() -> None:
    """What is loaded now is for the whole life of the process, and no collection looks at it any more."""
    gc.collect()
    gc.freeze()
