"""What a figure was measured on. Nothing here tells where: no path, no host name."""

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from loadtests.bench.awake import awake, round_trip
from loadtests.bench.environment import ROOT
from loadtests.bench.rig import find

BUSY = 0.5  # load average above which others disturb the figures


def facts() -> dict[str, Any]:
    return steady_facts() | {
        "load_before": round(os.getloadavg()[0], 2),
        "round_trip_us": _round_trips(),
    }


def steady_facts() -> dict[str, Any]:
    """Those that are the same in the next run."""
    with awake() as kept:
        pass
    return {
        "cpu": _cpu_model(Path("/proc/cpuinfo")),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release().partition("-")[0],
        "kept_awake": kept,
        "nginx": _version("nginx", "-v"),
        "wrk": _version("wrk", "-v"),
    }


def _round_trips() -> dict[str, float] | None:
    """Between two cores: what it takes to wake one, and what is left of it in our benches."""
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) == 1:
        return None
    found = {"as ever": round(round_trip(*cores), 1)}
    with awake() as kept:
        if kept:
            found["kept awake"] = round(round_trip(*cores), 1)
    return found


def moment() -> dict[str, Any]:
    """When, and of which state of the code."""
    commit = _git("rev-parse", "--short=12", "HEAD")
    changed = bool(_git("status", "--porcelain", "--untracked-files=no"))
    date = datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ")
    return {"date": date, "commit": commit or None, "uncommitted_changes": changed if commit else None}


def _cpu_model(cpuinfo: Path) -> str:
    try:
        match = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), re.MULTILINE)
    except OSError:
        match = None
    return match[1].strip() if match else platform.machine()


def _version(program: str, option: str) -> str | None:
    """The first thing that looks like a version; programs print it to either stream."""
    match = re.search(r"\d+\.\d+[\w.+-]*", _run([find(program) or program, option]))
    return match[0] if match else None


def _git(*arguments: str) -> str:
    return _run(["git", "-C", str(ROOT), *arguments]).strip()


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - the commands are the bench's own
            command, capture_output=True, text=True, timeout=10, check=False
        )
    except OSError:
        return ""
    return done.stdout + done.stderr if command[0] != "git" or done.returncode == 0 else ""
