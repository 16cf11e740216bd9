"""Processes of a service beside its web server."""

import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

from stack.catalogue import FurtherProcess, services
from stack.leftovers import Children
from stack.processes import ModuleProcess, for_further
from stack.supervisor import Supervisor


def test_a_further_process_does_not_use_the_metrics_port_of_the_service(tmp_path: Path) -> None:
    given = {"ITEMS_METRICS_PORT": "9002", "ITEMS_REDIS_URL": "unix:///socket"}
    further = FurtherProcess(module="items.consumer", metrics_port=9012)
    environment = for_further(services()["items"], further, 9999, given, tmp_path)
    assert environment == {**given, "ITEMS_METRICS_PORT": "9999"}


def test_the_relay_of_users_is_not_given_the_signing_key(tmp_path: Path) -> None:
    given = {"USERS_SECRETS_DIR": str(tmp_path / "users")}
    relay = services()["users"].processes["users-relay"]
    environment = for_further(services()["users"], relay, 9999, given, tmp_path)
    assert environment["USERS_SECRETS_DIR"] == str(tmp_path / "users-relay")


async def test_a_further_process_that_dies_is_started_again(
    tmp_path: Path, eventually: Callable[..., Awaitable[None]]
) -> None:
    (tmp_path / "waits_for_events.py").write_text("import signal\nsignal.pause()\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    said: list[str] = []
    consumer = ModuleProcess("items-events", "waits_for_events", environment, tmp_path / "log")
    supervisor = Supervisor(said.append, Children(tmp_path / "children.json"))
    await supervisor.start(consumer)
    try:
        assert consumer.process is not None
        killed = consumer.process.pid
        os.kill(killed, signal.SIGKILL)
        await eventually(lambda: len(said), 2)
        assert said[0] == "items-events was ended by SIGKILL; starting it again"
        assert consumer.process.pid != killed
    finally:
        await supervisor.stop([consumer])
