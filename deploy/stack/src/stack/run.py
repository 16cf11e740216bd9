"""Starts the stack, runs the journey, and waits for a signal to stop."""

import asyncio
import functools
import signal
import time
from collections.abc import Callable

from stack.exceptions import INTERRUPTED, StackFailed
from stack.folder import emptied, locked, secrets_in
from stack.journey.__main__ import make_journey
from stack.journey.client import StepFailed
from stack.journey.sample import SampleSettings
from stack.leftovers import Children
from stack.ports import check_ports
from stack.running import write_running
from stack.settings import StackSettings
from stack.system import Stack
from stack.terminal import Terminal


def run(settings: StackSettings, terminal: Terminal, *, leave: bool) -> int:
    """The exit status; `leave` ends it after the journey. Raises StackFailed when it cannot begin."""
    folder = settings.folder
    with locked(folder):
        children = Children(folder / "children.json")
        if ended := children.end_leftovers():
            terminal.line(f"ended {ended} processes that an earlier start had left behind")
        check_ports(settings)
        try:
            logs, secrets = emptied(folder / "logs"), secrets_in(folder)
            emptied(folder / "tmp")
        except OSError as error:
            raise StackFailed(f"cannot write {folder}: {error}") from None
        build = functools.partial(Stack, settings, secrets, logs, children, terminal)
        return asyncio.run(_live(build, settings, terminal, leave=leave))


async def _live(
    build: Callable[[], Stack], settings: StackSettings, terminal: Terminal, *, leave: bool
) -> int:
    signals = 0

    def on_signal() -> None:
        nonlocal signals
        signals += 1
        if signals == 1:
            life.cancel()
        else:
            stack.kill()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, on_signal)  # before there is anything to stop
    try:
        stack = build()
    except RuntimeError as error:
        raise StackFailed(str(error)) from error
    write_running(settings.folder, stack.environments)
    terminal.line(f"Facet, embedded: data, secrets and logs in {settings.folder}")
    life = asyncio.create_task(_until_told(stack, settings, terminal, leave=leave))
    try:
        return await life
    except asyncio.CancelledError:
        return INTERRUPTED
    finally:
        started = time.monotonic()
        await stack.down()
        terminal.line(f"stopped in {time.monotonic() - started:.1f} s; nothing is left running")


async def _until_told(stack: Stack, settings: StackSettings, terminal: Terminal, *, leave: bool) -> int:
    await stack.up()
    terminal.good(f"ready after {stack.age:.1f} s")
    status = await _journey(settings, terminal)
    if leave:
        return status
    _show_around(settings, terminal)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        terminal.line("\nstopping; once more to stop at once")
    return status


async def _journey(settings: StackSettings, terminal: Terminal) -> int:
    """The sample is loaded once for each data folder."""
    loaded = settings.folder / "sample-loaded"
    try:
        await make_journey(settings.url("gateway"), terminal, 0 if loaded.exists() else SampleSettings().size)
    except StepFailed as error:
        terminal.bad(f"\nfailed: {error}")
        return 1
    loaded.touch()
    terminal.good("\nEvery step worked.")
    return 0


def _show_around(settings: StackSettings, terminal: Terminal) -> None:
    gateway = settings.url("gateway")
    listed = settings.services.values()
    names = [name for service in listed for name in (service.name, *service.processes)]
    metrics = " ".join(str(settings.metrics_port(name)) for name in names)
    terminal.heading("Where to look")
    for what, where in (
        ("try it out", f"{gateway}/docs"),
        ("what is ready", f"{gateway}/ready"),
        ("metrics", f"http://127.0.0.1:PORT/metrics, PORT one of {metrics}"),
        ("logs", f"{settings.folder / 'logs'}/*.log"),
        ("one request", "make logs ID=<its X-Request-ID>"),
        ("administrator", "make admin EMAIL=<the account's email>"),
        ("one service", "make dev SERVICE=items: with reload, beside the running rest"),
        ("start afresh", f"stop it, then delete {settings.folder}"),
        ("stop", "Ctrl-C"),
    ):
        terminal.line(f"  {what:<14} {where}")
