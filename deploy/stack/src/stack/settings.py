"""The settings of the embedded stack, read from the environment."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from stack.catalogue import ROOT, Service, services
from stack.exceptions import StackFailed

WORKERS = ROOT / "deploy" / "workers.env"
HOST = "127.0.0.1"
_PORT: TypeAdapter[int] = TypeAdapter(Annotated[int, Field(ge=1, le=65535)])
_FLAG: TypeAdapter[bool] = TypeAdapter(bool)


@dataclass(frozen=True)
class StackSettings:
    """`GATEWAY_PORT=8080 make demo`: the services read the same names, so one variable moves both.

    `ports` has the variable's name and the value: `{"GATEWAY_PORT": 8080, "GATEWAY_METRICS_PORT": 9000, …}`.
    """

    folder: Path
    services: dict[str, Service]
    ports: dict[str, int]
    fork_server: bool = True

    def port(self, service: str) -> int:
        return self.ports[f"{self.services[service].variable}_PORT"]

    def metrics_port(self, name: str) -> int:
        """Of a service, or of a further process."""
        return self.ports[metrics_variable(name)]

    def url(self, service: str) -> str:
        return f"http://{HOST}:{self.port(service)}"


def load_stack_settings(folder: Path | None = None) -> StackSettings:
    """`folder` is for data, secrets and logs: else FACET_FOLDER, else `.facet`.

    Raises StackFailed with one line that names each wrong variable.
    """
    listed = services()
    chosen = folder or Path(os.environ.get("FACET_FOLDER") or ROOT / ".facet")
    defaults: dict[str, int] = {}
    for service in listed.values():
        defaults[f"{service.variable}_PORT"] = service.port
        defaults[metrics_variable(service.name)] = service.metrics_port
        defaults |= {metrics_variable(name): one.metrics_port for name, one in service.processes.items()}
    ports, wrong = {}, []
    for name, default in defaults.items():
        try:
            ports[name] = _PORT.validate_python(os.environ.get(name, default))
        except ValidationError as error:
            wrong.append(f"{name}: {error.errors()[0]['msg']}")
    try:
        forking = _FLAG.validate_python(os.environ.get("FACET_FORK_SERVER") or True)
    except ValidationError as error:
        wrong.append(f"FACET_FORK_SERVER: {error.errors()[0]['msg']}")
    if wrong:
        raise StackFailed("wrong settings: " + "; ".join(wrong))
    return StackSettings(chosen.absolute(), listed, ports, forking)


def metrics_variable(name: str) -> str:
    """`users-relay` → `USERS_RELAY_METRICS_PORT`."""
    return f"{name.replace('-', '_').upper()}_METRICS_PORT"


def worker_counts(path: Path = WORKERS) -> dict[str, str]:
    """The variables of `workers.env` that the environment does not set already."""
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    counts = dict(line.split("=", 1) for line in lines if "=" in line)
    return {name.strip(): count.strip() for name, count in counts.items() if name.strip() not in os.environ}
