"""Facet's Compose system as a target: a project of its own, its containers on the CPUs of the target."""

import contextlib
import http.client
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from loadtests.bench.environment import ROOT
from loadtests.bench.rig import free_port
from loadtests.tuner.config import Cpus
from loadtests.tuner.measuring.command import CommandTarget
from loadtests.tuner.measuring.embedded import FURTHER, POOLS, SERVICES, Knobs, facet, pinned_later, pools
from loadtests.tuner.measuring.housekeeping import STATEMENT, copied
from loadtests.tuner.measuring.journeys import people
from loadtests.tuner.measuring.processes import Use, together, use
from loadtests.tuner.measuring.stock import LISTINGS, fill, settle
from loadtests.tuner.model import Configuration, Limits, RollOutFailed, Slo

_UP = 180.0  # seconds
_SELDOM = {"healthcheck": {"interval": "60s"}}
_FORMAT = '{{.State.Pid}} {{index .Config.Labels "com.docker.compose.service"}}'
_STARTED = (*SERVICES, *(name.lower().replace("_", "-") for name in FURTHER))  # anew for each configuration
_FLUSH = 'REDISCLI_AUTH="$(cat /secrets/redis_password)" redis-cli flushall'


class ComposeTarget(CommandTarget):
    """Images are built once, and Postgres and Redis run until the end: a start of everything takes 20 s.

    Every configuration gets new containers of all services, relays and consumers included. It begins with a
    copy of the same databases, which a first start made, and with an empty Redis. It starts on all CPUs and
    is pinned when ready: when the gateway says so of itself and of those behind it, because the engine's
    own health checks come only every few seconds. Containers are killed: they lose nothing that is needed.
    """

    start_within = 60.0
    listings = LISTINGS

    def __init__(
        self, services: Sequence[str], slo: Slo, limits: Limits, cpus: Cpus, knobs: Knobs | None = None
    ) -> None:
        self.services = tuple(services)
        self._folder = Path(tempfile.mkdtemp(prefix="facet-tune-"))
        self._project = self._folder.name.replace("_", "-").lower()
        self._containers: Mapping[int, str] = {}
        self._built = self._up = False
        super().__init__(facet(services, "docker compose up", " in Compose", slo, limits, cpus, knobs))

    def close(self) -> None:
        super().close()
        self._remove()
        shutil.rmtree(self._folder, ignore_errors=True)

    def make_ready(self) -> None:
        """If it fails, the first start tries again, and says why it cannot."""
        self._port = free_port()
        with contextlib.suppress(RollOutFailed):
            self._first()

    def _reset(self) -> None:
        """Raises RollOutFailed."""
        if self._up:
            try:
                self._sql(*(line for name in POOLS for line in copied(f"{name}_first", name)))
                self._compose("exec", "--no-TTY", "redis", "sh", "-c", _FLUSH)
            except RollOutFailed:  # begin again from nothing
                self._remove()
        if not self._up:
            self._first()

    def _first(self) -> None:
        """Everything is made, the listings too, and its databases are kept."""
        if not self._built:
            self._compose("build", "--quiet")
            self._built = True
        self._write(Configuration.of(dict.fromkeys(SERVICES, 1)))
        self._up = True
        self._compose("up", "--detach")
        self._wait()
        fill(self._port, self.listings)
        self._see(self._compose("ps", "--quiet").split())
        settle(self._use)
        self._stop()
        self._sql(*(line for name in POOLS for line in (f"\\connect {name}", STATEMENT)))
        self._sql(*(line for name in POOLS for line in copied(name, f"{name}_first")))

    def _start(self, configuration: Configuration) -> None:
        self._write(configuration)
        self._compose("up", "--detach", "--no-deps", "--force-recreate", "--timeout", "0", *_STARTED)

    def _write(self, configuration: Configuration) -> None:
        knobs = dict(configuration.knobs)
        wanted = override(dict(configuration.workers), self.app.target_cpus, knobs)
        self._override.write_text(json.dumps(wanted))

    def _sql(self, *statements: str) -> None:
        commands = [part for statement in statements for part in ("--command", statement)]
        self._compose(
            "exec", "--no-TTY", "postgres", "psql", "--quiet", "--set", "ON_ERROR_STOP=1", *commands
        )

    def _prepare_load(self) -> None:
        listed = self._compose("ps", "--quiet").split()
        self._see(listed)
        if cpus := ",".join(map(str, sorted(self.app.target_cpus))):
            self._docker("update", "--cpuset-cpus", cpus, *listed)
        self.values = dict(people(self._port))

    def _see(self, listed: Sequence[str]) -> None:
        shown = self._docker("inspect", "--format", _FORMAT, *listed)
        self._containers = {int(pid): name for pid, name in map(str.split, shown.splitlines())}

    def _answers(self) -> bool:
        """The gateway's `/ready` shows the others too, and its own answer does not depend on them."""
        with contextlib.suppress(OSError, ValueError, KeyError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=2)
            with contextlib.closing(connection):
                connection.request("GET", "/ready")
                checks = json.loads(connection.getresponse().read())["checks"]
                return all(check["ok"] for check in checks.values()) and super()._answers()
        return False

    def _ended(self) -> bool:
        return False

    def _service(self, module: str) -> str | None:
        return module if module in self.services else None

    def _use(self) -> Use:
        """Of all containers. A worker's module is taken to be its container's service."""
        seen = []
        for pid, name in self._containers.items():
            used = use(pid)
            module = name if name in SERVICES else ""
            seen.append(used.named(module))
        return together(seen)

    def _stop(self) -> None:
        """What is started anew; Postgres and Redis go on."""
        if self._up:
            self._containers = {}
            with contextlib.suppress(RollOutFailed):  # what does not run need not be killed
                self._compose("kill", *_STARTED)

    def _remove(self) -> None:
        if self._up:
            self._up, self._containers = False, {}
            self._compose("down", "--volumes", "--remove-orphans", "--timeout", "0")

    @property
    def _override(self) -> Path:
        """JSON is YAML."""
        return self._folder / "workers.json"

    def _compose(self, *words: str) -> str:
        files = [str(ROOT / "docker-compose.yml")]
        if self._override.exists():
            files.append(str(self._override))
        given = [part for file in files for part in ("--file", file)]
        return self._docker("compose", "--project-name", self._project, *given, *words)

    def _docker(self, *words: str) -> str:
        """What it prints. Raises RollOutFailed."""
        environment = {**os.environ, "GATEWAY_PORT": str(self._port or 8000)}
        environment.pop("COMPOSE_PROFILES", None)
        try:
            done = subprocess.run(  # noqa: S603 - our own words
                ["docker", *words],  # noqa: S607 - wherever it is installed
                capture_output=True, text=True, env=environment, cwd=ROOT, timeout=_UP * 5, check=False,
            )  # fmt: skip
        except OSError as error:
            raise RollOutFailed(f"docker cannot be run: {error.strerror}") from error
        if done.returncode:
            last = done.stderr.strip().splitlines()[-3:]
            raise RollOutFailed(f"docker {words[0]} failed: {' | '.join(last) or 'it said nothing'}")
        return done.stdout


def override(
    counts: Mapping[str, int], cpus: Collection[int], knobs: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Worker counts and pool sizes, which go before deploy/workers.env.

    Health checks for which no start waits are seldom: the engine runs each as a process of its own, on the
    generator's CPUs too, and so makes the generator late.
    """
    services: dict[str, Any] = {name.lower().replace("_", "-"): {**_SELDOM} for name in FURTHER}
    for name in SERVICES:
        variable = f"{name.upper().replace('-', '_')}_WORKERS"
        services[name] = {**_SELDOM, "environment": {variable: str(counts.get(name, 1))}}
    for variable, size in pools(knobs or {}).items():
        services[variable.split("_")[0].lower()]["environment"][variable] = size
    services["users"]["environment"] |= pinned_later(counts, cpus)
    return {"services": services}
