"""What a running embedded stack tells other commands: the environment of each service, without secrets."""

import contextlib
import fcntl
import json
from pathlib import Path

Environments = dict[str, dict[str, str]]


def write_running(folder: Path, environments: Environments) -> None:
    _file(folder).write_text(json.dumps(environments, indent=2))


def running(folder: Path) -> Environments | None:
    """None if no stack runs in this folder."""
    with contextlib.suppress(OSError, ValueError):
        if _locked(folder / "lock"):
            found: Environments = json.loads(_file(folder).read_text())
            return found
    return None


def _file(folder: Path) -> Path:
    return folder / "running.json"


def _locked(path: Path) -> bool:
    """Shared, so that two commands that look at the same time do not take each other for a stack."""
    with path.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
