"""The gateways that are compared, and how each is started."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from loadtests.bench import caddy, environment, nginx, traefik

PEERS = Path(__file__).parent / "peers"


@dataclass(frozen=True, slots=True)
class Stage:
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


Command = Callable[[Stage, int], list[str]]


@dataclass(frozen=True, slots=True)
class Contestant:
    """`command` and `environment` are asked with the stage and the port to listen on.

    `access_log` is the file in the stage's folder where it logs requests; None when that is its output, and
    `logs` is false where it writes none. `helper` is what it cannot do without, on the same core.
    """

    name: str
    title: str
    command: Command
    environment: Callable[[Stage, int], Mapping[str, str]] = lambda *_: {}
    checks_tokens: bool = True
    access_log: str | None = None
    logs: bool = True
    helper: "Contestant | None" = None


def _facet(_: Stage, __: int) -> list[str]:
    return [str(environment.our_python()), "-m", "gateway"]


def _facet_environment(stage: Stage, port: int) -> Mapping[str, str]:
    """As in production, with the route table that ships; one worker, because there is one core."""
    return {
        "GATEWAY_PORT": str(port),
        "GATEWAY_ENVIRONMENT": "production",
        "GATEWAY_WORKERS": "1",
        "GATEWAY_REDIS_URL": f"unix://{stage.redis_socket}",
        "GATEWAY_REDIS_PASSWORD": stage.redis_password,
        "GATEWAY_INTERNAL_SECRET": stage.redis_password,
        "GATEWAY_JWKS_URL": stage.jwks_url,
        "GATEWAY_USERS_URL": stage.upstream_url,
        "GATEWAY_ITEMS_URL": stage.upstream_url,
        "GATEWAY_ML_PREDICT_URL": stage.upstream_url,
        "GATEWAY_LOG_FORMAT": "json",
    }


def _usual(_: Stage, port: int) -> list[str]:
    return _uvicorn("usual_gateway:app", port)


def _uvicorn(app: str, port: int) -> list[str]:
    command = [str(environment.peers_python()), "-m", "uvicorn", app, "--app-dir", str(PEERS)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    return [*command, "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]


def _usual_with(client: str) -> Callable[[Stage, int], Mapping[str, str]]:
    return lambda stage, _: {
        "PEER_CLIENT": client,
        "PEER_UPSTREAM_URL": stage.upstream_url,
        "PEER_JWKS_URL": stage.jwks_url,
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _nginx(stage: Stage, port: int) -> list[str]:
    return nginx.proxy_command(stage.folder, port, stage.upstream)


def _nginx_verifying(stage: Stage, port: int) -> list[str]:
    return nginx.verifying_command(stage.folder, port, stage.upstream, stage.verifier_port)


def _traefik(name: str, *, verified: bool = False, log: bool = True) -> Command:
    def command(stage: Stage, port: int) -> list[str]:
        verifier = stage.verifier_port if verified else None
        program, folder = environment.traefik(), stage.folder
        return traefik.command(
            program, folder, port, stage.upstream, name=name, verifier_port=verifier, log=log
        )

    return command


def _caddy(name: str, *, verified: bool = False) -> Command:
    def command(stage: Stage, port: int) -> list[str]:
        verifier = stage.verifier_port if verified else None
        program, folder = environment.caddy(), stage.folder
        return caddy.command(program, folder, port, stage.upstream, name=name, verifier_port=verifier)

    return command


def _one_core(_: Stage, __: int) -> Mapping[str, str]:
    """Go starts a thread for each core of the machine, whichever it is pinned to."""
    return {"GOMAXPROCS": "1"}


def _verifier(stage: Stage, _: int) -> list[str]:
    return _uvicorn("verifier:app", stage.verifier_port)


FACET = "facet"
VERIFIER = Contestant("verifier", "", _verifier, _usual_with("httpx"))
CONTESTANTS = {
    contestant.name: contestant
    for contestant in (
        Contestant(
            "nginx",
            "nginx, tokens not checked (the practical limit)",
            _nginx,
            checks_tokens=False,
            access_log=nginx.ACCESS_LOG,
        ),
        Contestant(FACET, "Facet", _facet, _facet_environment),
        Contestant(
            "traefik-no-log",
            "Traefik without access log, tokens not checked",
            _traefik("traefik-no-log", log=False),
            _one_core,
            checks_tokens=False,
            logs=False,
        ),
        Contestant(
            "traefik",
            "Traefik, tokens not checked",
            _traefik("traefik"),
            _one_core,
            checks_tokens=False,
            access_log=traefik.access_log("traefik"),
        ),
        Contestant(
            "caddy",
            "Caddy, tokens not checked",
            _caddy("caddy"),
            _one_core,
            checks_tokens=False,
            access_log=caddy.access_log("caddy"),
        ),
        Contestant(
            "nginx-auth",
            "nginx + auth_request to a FastAPI verifier",
            _nginx_verifying,
            access_log=nginx.VERIFYING_LOG,
            helper=VERIFIER,
        ),
        Contestant(
            "caddy-auth",
            "Caddy + forward_auth to the same",
            _caddy("caddy-auth", verified=True),
            _one_core,
            access_log=caddy.access_log("caddy-auth"),
            helper=VERIFIER,
        ),
        Contestant(
            "traefik-auth",
            "Traefik + forwardAuth to the same",
            _traefik("traefik-auth", verified=True),
            _one_core,
            access_log=traefik.access_log("traefik-auth"),
            helper=VERIFIER,
        ),
        Contestant("usual-httpx2", "FastAPI + httpx2, the usual way", _usual, _usual_with("httpx2")),
        Contestant("usual", "FastAPI + httpx 0.28, the usual way", _usual, _usual_with("httpx")),
    )
}
