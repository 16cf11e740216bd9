"""The whole system for the bench of faults: our services, and links to Postgres and Redis that can fail."""

import json
import secrets
import socket
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

from loadtests.bench import environment, nginx, valkey
from loadtests.bench.contract import answers
from loadtests.bench.exceptions import BenchFailed
from loadtests.bench.identity import Issuer
from loadtests.bench.rig import Rig, free_port

PEERS: Final = Path(__file__).parent / "peers"
ROWS: Final = 1000
SERVICES: Final = {"users": "USERS", "items": "ITEMS", "ml_predict": "ML_PREDICT", "gateway": "GATEWAY"}
HEAL: Final = "heal"


class FaultSystem:
    """All services share a core, one worker each. Postgres, Redis, links and load have the other."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.issuer = Issuer()
        self.ports = {name: free_port() for name in SERVICES}
        self._password = secrets.token_urlsafe()
        self._keys = free_port()
        database = self._start_servers()
        self._start_links(Path(database["plain"].partition("?host=")[2]))
        links = json.loads((rig.folder / "links.json").read_text())
        for service, prefix in SERVICES.items():
            given = self._common(prefix, links["redis"]) | self._own(service, database, links["postgres"])
            self._start(service, {f"{prefix}_{name}": value for name, value in given.items()})

    @property
    def gateway(self) -> int:
        return self.ports["gateway"]

    def do(self, name: str, what: str) -> None:
        """To a link. Raises BenchFailed."""
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(5.0)
            control.connect(str(self.rig.folder / "links.sock"))
            control.sendall(f"{name} {what}\n".encode())
            if control.recv(16) != b"done\n":
                raise BenchFailed(f"the link to {name} does not {what}")

    def _start_servers(self) -> Mapping[str, str]:
        folder, core = self.rig.folder, self.rig.cores.load
        (folder / "data").mkdir(mode=0o755)
        program, written = str(PEERS / "data_stage.py"), folder / "data" / "data.json"
        command = [str(environment.our_python()), program, str(folder / "data"), str(ROWS), "0"]
        self.rig.start("data", command, core=core, ready=written.exists, patience=60.0)
        redis = valkey.command(folder, self._password)
        self.rig.start("redis", redis, core=core, ready=lambda: valkey.answers(folder))
        valkey.complete_list(folder, self._password)
        keys = nginx.upstream_command(folder, self._keys, "{}", self.issuer.jwks)
        self.rig.start("keys", keys, core=core, ready=partial(answers, self._keys, None, nginx.JWKS_PATH))
        found: dict[str, str] = json.loads(written.read_text())
        return found

    def _start_links(self, postgres: Path) -> None:
        folder = self.rig.folder
        command = [str(environment.our_python()), str(PEERS / "links.py"), str(folder)]
        command += [f"postgres={postgres / '.s.PGSQL.5432'}", f"redis={valkey.path(folder)}"]
        ready = (folder / "links.json").exists
        self.rig.start("links", command, core=self.rig.cores.load, ready=ready)

    def _start(self, service: str, given: Mapping[str, str]) -> None:
        command, port = [str(environment.our_python()), "-m", service], self.ports[service]
        core, ready = self.rig.cores.server, partial(answers, port, None, "/ready")
        self.rig.start(service, command, core=core, ready=ready, environment=given)

    def _common(self, prefix: str, redis: int) -> dict[str, str]:
        return {
            "PORT": str(self.ports[prefix.lower()]),
            "WORKERS": "1",
            "ENVIRONMENT": "production",
            "LOG_FORMAT": "json",
            "REDIS_URL": f"redis://127.0.0.1:{redis}/0",
            "REDIS_PASSWORD": self._password,
            "JWKS_URL": f"http://127.0.0.1:{self._keys}{nginx.JWKS_PATH}",
        }

    def _own(self, service: str, database: Mapping[str, str], postgres: int) -> dict[str, str]:
        url = {name: f"http://127.0.0.1:{port}" for name, port in self.ports.items()}
        stored = {
            "DATABASE_URL": f"postgresql+asyncpg://{service}@127.0.0.1:{postgres}/{service}",
            "DATABASE_PASSWORD": database["password"],
        }
        secret = {"INTERNAL_SECRET": self._password}
        return {
            "users": stored | secret | {"SIGNING_KEY": self.issuer.private_pem},
            # What is cached must last for the bench: what is measured is whether a fault reaches it.
            "items": stored | {"ML_PREDICT_URL": url["ml_predict"], "READ_CACHE_SECONDS": "3600"},
            "ml_predict": {},
            "gateway": secret
            | {f"{SERVICES[name]}_URL": url[name] for name in SERVICES if name != "gateway"},
        }[service]
