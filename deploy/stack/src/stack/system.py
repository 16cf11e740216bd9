"""The system's parts and the order in which they start: each as soon as what it needs is there."""

import asyncio
import functools
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import asyncpg
import httpx2

from shared.embedded import EmbeddedPostgres, EmbeddedValkey
from shared.embedded.child import ChildServer
from shared.embedded.forking import AVAILABLE, ForkServer
from shared.provision import provision
from stack.borrowing import is_borrowed
from stack.catalogue import ROOT, Service
from stack.exceptions import StackFailed
from stack.folder import redis_users
from stack.leftovers import Children
from stack.processes import (
    ModuleProcess,
    ServiceProcess,
    completed,
    for_further,
    for_migrations,
    migrate,
    own_environment,
)
from stack.settings import StackSettings
from stack.supervisor import Supervisor
from stack.terminal import Terminal

READY_WITHIN = 30.0


class Stack:
    """Postgres, Valkey and all processes of the services. `secrets` and `logs` are folders that exist."""

    def __init__(
        self, settings: StackSettings, secrets: Path, logs: Path, children: Children, terminal: Terminal
    ) -> None:
        self._settings = settings
        self._secrets = secrets
        self._logs = logs
        self._terminal = terminal
        self._born = time.monotonic()
        self._supervisor = Supervisor(
            terminal.line, children, functools.partial(is_borrowed, settings.folder)
        )
        self._postgres = EmbeddedPostgres(
            settings.folder / "postgres", self._secret("postgres", "postgres"), logs / "postgres.log"
        )
        self._valkey = EmbeddedValkey(
            settings.folder / "valkey",
            self._secret("redis", "redis"),
            logs / "valkey.log",
            redis_users(secrets),
        )
        forking = AVAILABLE and settings.fork_server
        self._fork_server = ForkServer(logs / "fork-server.log", folder=ROOT) if forking else None
        self.environments = {
            name: own_environment(service, settings, secrets, self._postgres, self._valkey)
            for name, service in settings.services.items()
        }
        self._servers = {
            name: self._server(service, completed(self.environments[name]))
            for name, service in settings.services.items()
        }
        self._further = [one for service in settings.services.values() for one in self._further_of(service)]

    async def up(self) -> None:
        """Raises StackFailed as soon as one part fails."""
        try:
            async with asyncio.TaskGroup() as group:
                common = [group.create_task(self._start(self._valkey))]
                if self._fork_server is not None:
                    common.append(group.create_task(self._start(self._fork_server)))
                databases = group.create_task(self._databases())
                for service in self._settings.services.values():
                    needs = [*common, databases] if service.database else common
                    group.create_task(self._service(service, needs))
        except* StackFailed as failures:
            raise failures.exceptions[0] from None
        await self._ready()
        await asyncio.gather(*map(self._start, self._further))  # nobody waits for what they do

    async def down(self) -> None:
        """Stops the gateway first, then the services, then what they need."""
        others = [server for name, server in self._servers.items() if name != "gateway"]
        needed: list[ChildServer] = [self._valkey, self._postgres]
        if self._fork_server is not None:
            needed.append(self._fork_server)
        await self._supervisor.stop([self._servers["gateway"]], [*others, *self._further], needed)

    def kill(self) -> None:
        self._supervisor.kill()

    def _server(self, service: Service, given: dict[str, str]) -> ServiceProcess:
        log = self._logs / f"{service.name}.log"
        return ServiceProcess(service, self._settings.port(service.name), given, log, self._fork_server)

    def _further_of(self, service: Service) -> Iterator[ModuleProcess]:
        given = completed(self.environments[service.name])
        for name, further in service.processes.items():
            port = self._settings.metrics_port(name)
            own = for_further(service, further, port, given, self._secrets)
            log = self._logs / f"{name}.log"
            yield ModuleProcess(name, further.module, own, log, self._fork_server)

    async def _databases(self) -> None:
        await self._start(self._postgres)
        owners = [service.name for service in self._settings.services.values() if service.database]
        passwords = {name: self._secret(f"{name}-database", f"{name}_database") for name in owners}
        try:
            await provision(self._postgres.admin_url, passwords)
        except (asyncpg.PostgresError, OSError) as error:
            raise StackFailed(f"the databases could not be prepared: {error}") from error

    async def _service(self, service: Service, needs: list[asyncio.Task[None]]) -> None:
        await asyncio.gather(*needs)
        if service.database:
            log = self._logs / f"{service.name}-migrations.log"
            given = for_migrations(service, self.environments[service.name], self._secrets)
            await migrate(service, completed(given), log, self._fork_server)
        await self._start(self._servers[service.name])

    async def _start(self, child: ChildServer) -> None:
        await self._supervisor.start(child)
        self._terminal.line(f"  {child.name:<14} up after {self.age:.1f} s")

    async def _ready(self) -> None:
        """Waits for the gateway and everything behind it. Raises StackFailed with the gateway's own words."""
        last = "no answer"
        deadline = time.monotonic() + READY_WITHIN
        async with httpx2.AsyncClient(base_url=self._settings.url("gateway"), trust_env=False) as client:
            while time.monotonic() < deadline:
                try:
                    response = await client.get("/ready")
                    if response.status_code == HTTPStatus.OK and _all_ok(response.json()):
                        return
                    last = response.text
                except httpx2.TransportError as error:
                    last = repr(error)
                await asyncio.sleep(0.05)
        raise StackFailed(f"the gateway is not ready after {READY_WITHIN:g} s: {last}")

    @property
    def age(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._born

    def _secret(self, holder: str, name: str) -> str:
        return (self._secrets / holder / f"{name}_password").read_text().strip()


def _all_ok(ready: dict[str, Any]) -> bool:
    """True if what the gateway reports, but does not count, is ready too."""
    return all(check["ok"] for check in ready["checks"].values())
