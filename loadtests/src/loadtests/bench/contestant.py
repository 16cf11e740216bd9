"""A gateway that is measured, and what stands around it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from loadtests.bench import nginx


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What stands around whichever gateway is measured."""

    folder: Path
    upstream: str  # host:port
    redis_socket: Path
    redis_password: str
    verifier_port: int

    @property
    def upstream_url(self) -> str:
        return f"http://{self.upstream}"

    @property
    def jwks_url(self) -> str:
        return self.upstream_url + nginx.JWKS_PATH


Command = Callable[[Surroundings, int], list[str]]


@dataclass(frozen=True, slots=True)
class Contestant:
    """`command` and `environment` are asked with the surroundings and the port to listen on.

    `access_log` is the file in the folder where it logs requests; None when that is its output, and
    `logs` is false where it writes none. `helper` is what it cannot do without, on the same core.
    """

    name: str
    title: str
    command: Command
    environment: Callable[[Surroundings, int], Mapping[str, str]] = lambda *_: {}
    checks_tokens: bool = True
    access_log: str | None = None
    logs: bool = True
    helper: "Contestant | None" = None
