"""A service's processes and its migrations, with the environment that makes them one system."""

import asyncio
import http.client
import os
import sys
from pathlib import Path
from typing import Any

from shared.embedded import EmbeddedPostgres, EmbeddedValkey
from shared.embedded.child import ChildServer, Process
from shared.embedded.forking import ForkServer
from stack.catalogue import ROOT, FurtherProcess, Service
from stack.exceptions import StackFailed
from stack.settings import HOST, StackSettings, worker_counts


class ModuleProcess(ChildServer):
    """`python -m <module>`, from the fork server if there is one. It counts as started as soon as it runs."""

    def __init__(
        self,
        name: str,
        module: str,
        environment: dict[str, str],
        log: Path,
        fork_server: ForkServer | None = None,
    ) -> None:
        super().__init__(log)
        self.name = name
        self._module = module
        self._environment = environment
        self._fork_server = fork_server

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", self._module]

    @property
    def identity(self) -> dict[str, Any]:
        return {"env": self._environment, "cwd": ROOT}

    def spawn(self) -> Process:
        if self._fork_server is None:
            return super().spawn()
        return self._fork_server.fork(self.command[1:], self._environment, self.log)

    def answers(self) -> bool:
        return self.process is not None and self.process.poll() is None


class ServiceProcess(ModuleProcess):
    """`python -m <service>`: gunicorn and its workers. It has started when `/health` answers."""

    def __init__(
        self,
        service: Service,
        port: int,
        environment: dict[str, str],
        log: Path,
        fork_server: ForkServer | None = None,
    ) -> None:
        super().__init__(service.name, service.package, environment, log, fork_server)
        self._port = port

    def answers(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=1.0)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()


def own_environment(
    service: Service,
    settings: StackSettings,
    secrets: Path,
    postgres: EmbeddedPostgres,
    valkey: EmbeddedValkey,
) -> dict[str, str]:
    """What the stack decides, without a secret; TMPDIR so that nothing is left in /tmp."""
    own = {
        "HOST": HOST,
        "PORT": str(settings.port(service.name)),
        "METRICS_PORT": str(settings.metrics_port(service.name)),
        "SECRETS_DIR": str(secrets / service.name),
        "REDIS_URL": valkey.url,
        "REDIS_USERNAME": service.name,
        "JWKS_URL": f"{settings.url('users')}/.well-known/jwks.json",
        **{f"{other.variable}_URL": settings.url(other.name) for other in settings.services.values()},
    }
    if service.database:
        own["DATABASE_URL"] = postgres.url(service.name, service.name)
    prefixed = {f"{service.variable}_{key}": value for key, value in own.items()}
    return {**prefixed, "TMPDIR": str(settings.folder / "tmp")}


def completed(own: dict[str, str]) -> dict[str, str]:
    """The whole environment of a process: the caller's, the worker counts, and what the stack decides."""
    return {**worker_counts(), **os.environ, **own}


def for_further(
    service: Service, process: FurtherProcess, port: int, environment: dict[str, str], secrets: Path
) -> dict[str, str]:
    """The service's environment with a metrics port, and maybe secrets, of the process's own."""
    own = {"METRICS_PORT": str(port)}
    if process.holder is not None:
        own["SECRETS_DIR"] = str(secrets / process.holder)
    return {**environment, **{f"{service.variable}_{key}": value for key, value in own.items()}}


def for_migrations(service: Service, environment: dict[str, str], secrets: Path) -> dict[str, str]:
    """The same with the database's password alone: no migration needs the signing key."""
    return {**environment, f"{service.variable}_SECRETS_DIR": str(secrets / f"{service.name}-database")}


async def migrate(
    service: Service, environment: dict[str, str], log: Path, fork_server: ForkServer | None = None
) -> None:
    """Raises StackFailed with the end of the log when the migrations fail."""
    module = f"{service.package}.migrations"
    process = ModuleProcess(f"{service.name}-migrations", module, environment, log, fork_server).spawn()
    try:
        status = await asyncio.to_thread(process.wait)
    except asyncio.CancelledError:
        process.kill()
        raise
    if status:
        raise StackFailed(f"the migrations of {service.name} failed:\n{_end_of(log)}")


def _end_of(log: Path) -> str:
    return log.read_text()[-2000:].strip()
