"""The gateways that are compared, and how each is started."""

from collections.abc import Callable, Mapping
from pathlib import Path

from loadtests.bench import caddy, environment, nginx, traefik
from loadtests.bench.contestant import Command, Contestant, Surroundings

PEERS = Path(__file__).parent / "peers"
FASTIFY_LOG = "fastify-access.log"


def _facet(_: Surroundings, __: int) -> list[str]:
    return [str(environment.our_python()), "-m", "gateway"]


def _facet_environment(around: Surroundings, port: int) -> Mapping[str, str]:
    """As its image runs: compiled, with the route table that ships; one worker, because there is one core."""
    return {"PYTHONPATH": str(environment.COMPILED), **_interpreted_environment(around, port)}


def _interpreted_environment(around: Surroundings, port: int) -> Mapping[str, str]:
    return {
        "GATEWAY_PORT": str(port),
        "GATEWAY_ENVIRONMENT": "production",
        "GATEWAY_WORKERS": "1",
        "GATEWAY_REDIS_URL": f"unix://{around.redis_socket}",
        "GATEWAY_REDIS_PASSWORD": around.redis_password,
        "GATEWAY_INTERNAL_SECRET": around.redis_password,
        "GATEWAY_JWKS_URL": around.jwks_url,
        "GATEWAY_USERS_URL": around.upstream_url,
        "GATEWAY_ITEMS_URL": around.upstream_url,
        "GATEWAY_ML_PREDICT_URL": around.upstream_url,
        "GATEWAY_LOG_FORMAT": "json",
    }


def _usual(_: Surroundings, port: int) -> list[str]:
    return _uvicorn("usual_gateway:app", port)


def _uvicorn(app: str, port: int) -> list[str]:
    command = [str(environment.peers_python()), "-m", "uvicorn", app, "--app-dir", str(PEERS)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    return [*command, "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]


def _peer_environment(client: str) -> Callable[[Surroundings, int], Mapping[str, str]]:
    return lambda around, _: {
        "PEER_CLIENT": client,
        "PEER_UPSTREAM_URL": around.upstream_url,
        "PEER_JWKS_URL": around.jwks_url,
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _nginx(around: Surroundings, port: int) -> list[str]:
    return nginx.proxy_command(around.folder, port, around.upstream)


def _nginx_verifying(around: Surroundings, port: int) -> list[str]:
    return nginx.verifying_command(around.folder, port, around.upstream, around.verifier_port)


def _traefik(name: str, *, verified: bool = False, log: bool = True) -> Command:
    def command(around: Surroundings, port: int) -> list[str]:
        verifier = around.verifier_port if verified else None
        program, folder = environment.traefik(), around.folder
        return traefik.command(
            program, folder, port, around.upstream, name=name, verifier_port=verifier, log=log
        )

    return command


def _caddy(name: str, *, verified: bool = False) -> Command:
    def command(around: Surroundings, port: int) -> list[str]:
        verifier = around.verifier_port if verified else None
        program, folder = environment.caddy(), around.folder
        return caddy.command(program, folder, port, around.upstream, name=name, verifier_port=verifier)

    return command


def _one_core(_: Surroundings, __: int) -> Mapping[str, str]:
    """Go starts a thread for each core of the machine, whichever it is pinned to."""
    return {"GOMAXPROCS": "1"}


def _bare_asgi(_: Surroundings, port: int) -> list[str]:
    return _uvicorn("bare_asgi_proxy:app", port)


def _bare_protocol(_: Surroundings, port: int) -> list[str]:
    return [str(environment.peers_python()), str(PEERS / "bare_protocol_proxy.py"), str(port)]


def _fastify(_: Surroundings, __: int) -> list[str]:
    return ["node", str(environment.fastify() / "gateway.js")]


def _fastify_environment(around: Surroundings, port: int) -> Mapping[str, str]:
    given = {"PEER_UPSTREAM_URL": around.upstream_url, "PEER_JWKS_URL": around.jwks_url}
    return given | {"PEER_PORT": str(port), "PEER_LOG": str(around.folder / FASTIFY_LOG)}


def _verifier(around: Surroundings, _: int) -> list[str]:
    return _uvicorn("verifier:app", around.verifier_port)


FACET, INTERPRETED = "facet", "facet-interpreted"
VERIFIER = Contestant("verifier", "", _verifier, _peer_environment("httpx"))
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
        Contestant(
            "bare-protocol",
            "bare protocol to protocol, no features (the limit in Python)",
            _bare_protocol,
            _peer_environment("httpx"),
            checks_tokens=False,
            logs=False,
        ),
        Contestant(FACET, "Facet", _facet, _facet_environment),
        Contestant(INTERPRETED, "Facet, not compiled", _facet, _interpreted_environment),
        Contestant(
            "bare-asgi",
            "bare ASGI proxy, tokens remembered",
            _bare_asgi,
            _peer_environment("httpx"),
        ),
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
        Contestant(
            "fastify",
            "fastify + @fastify/http-proxy + @fastify/jwt, tokens remembered",
            _fastify,
            _fastify_environment,
            access_log=FASTIFY_LOG,
        ),
        Contestant("usual-httpx2", "FastAPI + httpx2, the usual way", _usual, _peer_environment("httpx2")),
        Contestant("usual", "FastAPI + httpx 0.28, the usual way", _usual, _peer_environment("httpx")),
    )
}


def facet_with(name: str, title: str, settings: Mapping[str, str], command: Command = _facet) -> Contestant:
    """Our gateway under another name, with other settings."""

    def given(around: Surroundings, port: int) -> Mapping[str, str]:
        return {**_facet_environment(around, port), **settings}

    return Contestant(name, title, command, given)
