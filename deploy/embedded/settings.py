"""What the embedded stack can be told by the environment."""

import os
import signal
import socket
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from deploy.embedded.exceptions import StackFailed

ROOT = Path(__file__).parents[2]
WORKERS = ROOT / "deploy" / "workers.env"
HOST = "127.0.0.1"
INTERRUPTED = 128 + signal.SIGINT
SERVICES = ("users", "items", "ml-predict", "gateway")


class StackSettings(BaseSettings):
    """`GATEWAY_PORT=8080 make demo`: the services read the same names, so one variable moves both."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    facet_folder: Annotated[Path, AfterValidator(Path.absolute)] = Field(
        default=ROOT / ".facet", description="Data, secrets and logs."
    )
    gateway_port: int = Field(default=8000, ge=1, le=65535)
    users_port: int = Field(default=8001, ge=1, le=65535)
    items_port: int = Field(default=8002, ge=1, le=65535)
    ml_predict_port: int = Field(default=8003, ge=1, le=65535)
    gateway_metrics_port: int = Field(default=9000, ge=1, le=65535)
    users_metrics_port: int = Field(default=9001, ge=1, le=65535)
    items_metrics_port: int = Field(default=9002, ge=1, le=65535)
    ml_predict_metrics_port: int = Field(default=9003, ge=1, le=65535)

    def port(self, service: str) -> int:
        return int(getattr(self, f"{variable(service).lower()}_port"))

    def metrics_port(self, service: str) -> int:
        return int(getattr(self, f"{variable(service).lower()}_metrics_port"))

    def url(self, service: str) -> str:
        return f"http://{HOST}:{self.port(service)}"


def variable(service: str) -> str:
    """`ml-predict` → `ML_PREDICT`, as the service's variables begin."""
    return service.upper().replace("-", "_")


def load_stack_settings(**given: Any) -> StackSettings:
    """Raises StackFailed with one line that names each wrong variable."""
    try:
        return StackSettings(**given)
    except ValidationError as error:
        reasons = [f"{'_'.join(map(str, wrong['loc'])).upper()}: {wrong['msg']}" for wrong in error.errors()]
        raise StackFailed("wrong settings: " + "; ".join(reasons)) from None


def worker_counts(path: Path = WORKERS) -> dict[str, str]:
    """The variables of `workers.env` that the environment does not give already."""
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    counts = dict(line.split("=", 1) for line in lines if "=" in line)
    return {name.strip(): count.strip() for name, count in counts.items() if name.strip() not in os.environ}


def check_ports(settings: StackSettings) -> None:
    """Raises StackFailed when a port is taken, here or by another of ours."""
    seen: dict[int, str] = {}
    for service in SERVICES:
        ports = {"PORT": settings.port(service), "METRICS_PORT": settings.metrics_port(service)}
        for kind, port in ports.items():
            name = f"{variable(service)}_{kind}"
            if port in seen:
                raise StackFailed(f"{name} and {seen[port]} are both {port}")
            seen[port] = name
            if not _free(port):
                raise StackFailed(f"port {port} is taken: stop what uses it, or set {name} to a free one")


def _free(port: int) -> bool:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # old connections do not take a port
        try:
            tried.bind((HOST, port))
        except OSError:
            return False
    return True
