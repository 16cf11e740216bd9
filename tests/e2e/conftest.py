"""The Compose system, built and started by testcontainers as a project of its own."""

import os
import socket
from collections.abc import Iterator

import pytest

from shared.testing.waiting import eventually
from tests.e2e.system import ROOT, System

PROJECT = f"facet-e2e-{os.getpid()}"


@pytest.fixture(scope="session")
def system() -> Iterator[System]:
    os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"  # where images cannot be pulled there is no reaper
    from testcontainers.compose import DockerCompose  # noqa: PLC0415 - reads the environment when imported

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    os.environ.update(COMPOSE_PROJECT_NAME=PROJECT, GATEWAY_PORT=str(port))
    os.environ.pop("COMPOSE_PROFILES", None)
    with DockerCompose(ROOT, build=True, wait=True) as compose:
        started = System(compose, PROJECT, f"http://127.0.0.1:{port}")
        with started.client:
            yield started


@pytest.fixture
def healthy(system: System) -> Iterator[System]:
    """Ready before the test and again after it."""
    eventually(system.ready)
    yield system
    eventually(system.ready)
