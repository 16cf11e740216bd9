"""The system's parts and the order in which they start: each as soon as what it needs is there."""

import asyncio
import time
from http import HTTPStatus
from pathlib import Path

import asyncpg
import httpx2

from deploy.embedded.exceptions import StackFailed
from deploy.embedded.folder import redis_users
from deploy.embedded.leftovers import Children
from deploy.embedded.service import WITH_DATABASE, ServiceProcess, environment, for_migrations, migrate
from deploy.embedded.settings import SERVICES, StackSettings
from deploy.embedded.supervisor import Supervisor
from deploy.terminal import Terminal
from shared.embedded import EmbeddedPostgres, EmbeddedValkey
from shared.embedded.child import ChildServer
from shared.provision import provision

READY_WITHIN = 30.0


class Stack:
    """Postgres, Valkey and the four services. `secrets` and `logs` are folders that exist."""

    def __init__(
        self, settings: StackSettings, secrets: Path, logs: Path, children: Children, terminal: Terminal
    ) -> None:
        self._settings = settings
        self._secrets = secrets
        self._logs = logs
        self._terminal = terminal
        self._born = time.monotonic()
        self._supervisor = Supervisor(terminal.line, children)
        self._postgres = EmbeddedPostgres(
            settings.facet_folder / "postgres", self._secret("postgres", "postgres"), logs / "postgres.log"
        )
        self._valkey = EmbeddedValkey(
            settings.facet_folder / "valkey",
            self._secret("redis", "redis"),
            logs / "valkey.log",
            redis_users(secrets),
        )
        self._environments = {
            name: environment(name, settings, secrets, self._postgres, self._valkey) for name in SERVICES
        }
        self._services: dict[str, ChildServer] = {
            name: ServiceProcess(name, settings.port(name), self._environments[name], logs / f"{name}.log")
            for name in SERVICES
        }

    async def up(self) -> None:
        """Raises StackFailed as soon as one part fails."""
        try:
            async with asyncio.TaskGroup() as group:
                cache = group.create_task(self._start(self._valkey))
                databases = group.create_task(self._databases())
                for name in SERVICES:
                    needs = [cache, databases] if name in WITH_DATABASE else [cache]
                    group.create_task(self._service(name, needs))
        except* StackFailed as failures:
            raise failures.exceptions[0] from None
        await self._ready()

    async def down(self) -> None:
        """The door closes first, then the services, then what they stand on."""
        gateway = self._services["gateway"]
        others = [service for service in self._services.values() if service is not gateway]
        await self._supervisor.stop([gateway], others, [self._valkey, self._postgres])

    def kill(self) -> None:
        self._supervisor.kill()

    async def _databases(self) -> None:
        await self._start(self._postgres)
        passwords = {name: self._secret(f"{name}-database", f"{name}_database") for name in WITH_DATABASE}
        try:
            await provision(self._postgres.admin_url, passwords)
        except (asyncpg.PostgresError, OSError) as error:
            raise StackFailed(f"the databases could not be prepared: {error}") from error

    async def _service(self, name: str, needs: list[asyncio.Task[None]]) -> None:
        await asyncio.gather(*needs)
        if name in WITH_DATABASE:
            log = self._logs / f"{name}-migrations.log"
            await migrate(name, for_migrations(name, self._environments[name], self._secrets), log)
        await self._start(self._services[name])

    async def _start(self, child: ChildServer) -> None:
        await self._supervisor.start(child)
        self._terminal.line(f"  {child.name:<12} up after {self.age:.1f} s")

    async def _ready(self) -> None:
        """Raises StackFailed with the gateway's own words when it does not become ready."""
        last = "no answer"
        deadline = time.monotonic() + READY_WITHIN
        async with httpx2.AsyncClient(base_url=self._settings.url("gateway"), trust_env=False) as client:
            while time.monotonic() < deadline:
                try:
                    response = await client.get("/ready")
                    if response.status_code == HTTPStatus.OK:
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
