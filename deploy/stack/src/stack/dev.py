"""Runs one service with reload beside the running rest: `python -m stack.dev items`."""

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import watchfiles

from stack.borrowing import borrowed
from stack.catalogue import ROOT, Service
from stack.exceptions import StackFailed
from stack.ports import is_free
from stack.processes import completed, for_migrations, migrate
from stack.running import running
from stack.settings import StackSettings, load_stack_settings
from stack.terminal import Terminal

FREE_WITHIN = 40.0  # seconds; the running service finishes its requests first
STOP_WITHIN = 10


def run(settings: StackSettings, name: str, terminal: Terminal) -> None:
    """Until Ctrl-C. Raises StackFailed if the stack does not run."""
    found = running(settings.folder)
    if found is None:
        raise StackFailed(f"no embedded stack runs in {settings.folder}: start it with make demo")
    if name not in found:
        raise StackFailed(f"no service {name}: one of {', '.join(found)}")
    service = settings.services[name]
    with borrowed(settings.folder, name):
        _wait_until_free(int(found[name][f"{service.variable}_PORT"]))
        _migrate(service, settings, found[name], terminal)
        terminal.line(f"{name} runs here and restarts when a file changes; Ctrl-C gives it back")
        os.environ.update(completed({**found[name], f"{service.variable}_WORKERS": "1"}))
        os.chdir(ROOT)
        watchfiles.run_process(
            *watched(service),
            target=f"{sys.executable} -m {service.package}",
            target_type="command",
            watch_filter=watchfiles.DefaultFilter(),
            callback=lambda changes: terminal.line(f"changed: {_names(changes)}"),
            sigint_timeout=STOP_WITHIN,
        )


def watched(service: Service) -> tuple[Path, Path]:
    return ROOT / service.folder / "src", ROOT / "shared" / "src"


def _wait_until_free(port: int) -> None:
    deadline = time.monotonic() + FREE_WITHIN
    while not is_free(port):
        if time.monotonic() > deadline:
            raise StackFailed(f"port {port} is still in use after {FREE_WITHIN:g} s")
        time.sleep(0.05)


def _migrate(service: Service, settings: StackSettings, own: Mapping[str, str], terminal: Terminal) -> None:
    if not service.database:
        return
    terminal.line(f"migrating the database of {service.name}")
    given = for_migrations(service, dict(own), settings.folder / "secrets")
    asyncio.run(
        migrate(service, completed(given), settings.folder / "logs" / f"{service.name}-migrations.log")
    )


def _names(changes: set[tuple[watchfiles.Change, str]]) -> str:
    return ", ".join(sorted({Path(path).name for _, path in changes}))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m stack.dev", description=__doc__)
    parser.add_argument("service", help="for example items")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in background jobs
    try:
        run(load_stack_settings(), given.service, Terminal())
    except StackFailed as error:
        Terminal(sys.stderr).bad(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
