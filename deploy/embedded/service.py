"""A service and its migrations as child processes, with the environment that makes them one system."""

import asyncio
import http.client
import os
import sys
from pathlib import Path
from typing import Any

from deploy.embedded.exceptions import StackFailed
from deploy.embedded.settings import HOST, ROOT, StackSettings, variable, worker_counts
from shared.embedded import EmbeddedPostgres, EmbeddedValkey
from shared.embedded.child import ChildServer

WITH_DATABASE = ("users", "items")


class ServiceProcess(ChildServer):
    """`python -m <service>`: gunicorn and its workers. It has started when `/health` answers."""

    def __init__(self, name: str, port: int, environment: dict[str, str], log: Path) -> None:
        super().__init__(log)
        self.name = name
        self._port = port
        self._environment = environment

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", self.name.replace("-", "_")]

    @property
    def identity(self) -> dict[str, Any]:
        return {"env": self._environment, "cwd": ROOT}

    def answers(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=1.0)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()


def environment(
    name: str, settings: StackSettings, secrets: Path, postgres: EmbeddedPostgres, valkey: EmbeddedValkey
) -> dict[str, str]:
    """Everything of the environment, then what the stack decides; TMPDIR so that nothing is left in /tmp."""
    own = {
        "HOST": HOST,
        "PORT": str(settings.port(name)),
        "METRICS_PORT": str(settings.metrics_port(name)),
        "SECRETS_DIR": str(secrets / name),
        "REDIS_URL": valkey.url,
        "REDIS_USERNAME": name,
        "JWKS_URL": f"{settings.url('users')}/.well-known/jwks.json",
        "USERS_URL": settings.url("users"),
        "ITEMS_URL": settings.url("items"),
        "ML_PREDICT_URL": settings.url("ml-predict"),
    }
    if name in WITH_DATABASE:
        own["DATABASE_URL"] = postgres.url(name, name)
    prefix = variable(name)
    prefixed = {f"{prefix}_{key}": value for key, value in own.items()}
    return {**worker_counts(), **os.environ, **prefixed, "TMPDIR": str(settings.facet_folder / "tmp")}


def for_migrations(name: str, environment: dict[str, str], secrets: Path) -> dict[str, str]:
    """The same with the database's password alone: no migration needs the signing key."""
    return {**environment, f"{variable(name)}_SECRETS_DIR": str(secrets / f"{name}-database")}


async def migrate(name: str, environment: dict[str, str], log: Path) -> None:
    """Raises StackFailed with the end of the log when the migrations do not run through."""
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"{name.replace('-', '_')}.migrations"),
            env=environment,
            cwd=ROOT,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            process_group=0,
        )
    try:
        status = await process.wait()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if status:
        raise StackFailed(f"the migrations of {name} failed:\n{_end_of(log)}")


def _end_of(log: Path) -> str:
    return log.read_text()[-2000:].strip()
